"""Tests of edge_pose.models: the networks against the original authors' numbers."""
