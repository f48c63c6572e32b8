//! kd
