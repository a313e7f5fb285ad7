//! Bytes to packets and back, borrowed, no allocation: pcm, rtp, rtcp, red, app, sdp, sealed. Pure.
