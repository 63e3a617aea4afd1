"""Raw network outputs to joints in frame pixels, one module a family of networks.

Each function takes the arrays as the network gave them and the matrices of the crops (input pixels -> frame).
"""
