"""A camera in a window, with people's skeletons, ids and the time a frame takes. q leaves.

python examples/camera_app.py [--model movenet-lightning] [--source 0] [--no-window] [--frames N]
"""

from __future__ import annotations

import argparse

import cv2

import edge_pose as ep


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="movenet-lightning")
    parser.add_argument("--source", default="0", help="0, rtsp://..., csi://0, gst:PIPELINE, or a file")
    parser.add_argument("--no-window", action="store_true", help="print instead")
    parser.add_argument("--frames", type=int, help="stop after so many")
    options = parser.parse_args()
    source = ep.open_source(options.source, max_frames=options.frames)
    with ep.load(options.model) as pose, ep.Pipeline(pose, source, track=True, smooth=True) as stream:
        for result in stream:
            words = f"{len(result.poses)} people, {result.timings_ms['latency']:.0f} ms"
            if options.no_window:
                print(f"frame {result.frame.index}: {words}")
                continue
            picture = ep.draw(result.frame.image, result.poses)
            cv2.putText(picture, words, (10, 24), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (255, 255, 255), 2)
            cv2.imshow("edge-pose", picture)
            if cv2.waitKey(1) & 0xFF == ord("q"):
                break
        lost = {name: stream.counters[name] for name in ("frames", "results", "dropped")}
    print(", ".join(f"{count} {name}" for name, count in lost.items()))


if __name__ == "__main__":
    main()
