"""One-Euro as its paper writes it, one number at a time (Casiez, Roussel, Vogel 2012)."""

import math


class OneEuroNumber:
    """A low-pass filter whose cutoff rises with speed."""

    def __init__(self, min_cutoff, beta, d_cutoff):
        self.min_cutoff, self.beta, self.d_cutoff = min_cutoff, beta, d_cutoff
        self.before = None

    def __call__(self, x, time_s):
        if self.before is None:
            self.before = (x, 0.0, time_s)
            return x
        x_before, speed_before, time_before = self.before
        dt = time_s - time_before
        speed = self.mixed(self.d_cutoff, dt, (x - x_before) / dt, speed_before)
        x = self.mixed(self.min_cutoff + self.beta * abs(speed), dt, x, x_before)
        self.before = (x, speed, time_s)
        return x

    @staticmethod
    def mixed(cutoff, dt, new, old):
        tau = 1 / (2 * math.pi * cutoff)
        alpha = 1 / (1 + tau / dt)
        return alpha * new + (1 - alpha) * old
