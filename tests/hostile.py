"""Arrays that no function may choke on, for the tests of bad input."""

from __future__ import annotations

import warnings

import numpy as np
from hypothesis import strategies as st

KINDS = ["<f4", ">f4", "<f8", ">f8", "f2", "i1", "u1", "i2", ">i2", "i4", "i8", "u8", "?"]
SCALES = [0.0, 1e-38, 1e-6, 1.0, 1e4, 1e30]


@st.composite
def arrays(draw, min_samples=0):
    """Three rows of samples: noise, constants, steps at the ends of a scale, gaps, infinities, in any memory layout."""
    n = draw(st.sampled_from([min_samples, min_samples + 1, 2, 14, 16, 40, 200, 700]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    x = rng.normal(size=(3, n)) * draw(st.sampled_from(SCALES)) + draw(st.sampled_from([0.0, 1.0, -1e5]))
    flaw = draw(st.sampled_from(["none", "constant", "saturated", "nan", "all nan", "inf", "one"]))
    if flaw == "constant":
        x[:] = x[:, :1] if n else 0
    elif flaw == "saturated":
        x = np.clip(x, -0.1, 0.1)
    elif flaw == "nan":
        x[rng.random(x.shape) < 0.3] = np.nan
    elif flaw == "all nan":
        x[:] = np.nan
    elif flaw == "inf":
        x[rng.random(x.shape) < 0.1] = rng.choice([np.inf, -np.inf])
    elif flaw == "one" and n:
        x[1, n // 2] = 1e300
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        x = x.astype(draw(st.sampled_from(KINDS)))
    layout = draw(st.sampled_from(["plain", "read only", "strided", "reversed", "fortran"]))
    if layout == "read only":
        x.flags.writeable = False
    elif layout == "strided":
        x = np.repeat(x, 2, axis=1)[:, ::2]
    elif layout == "reversed":
        x = x[:, ::-1]
    elif layout == "fortran":
        x = np.asfortranarray(x)
    return x
