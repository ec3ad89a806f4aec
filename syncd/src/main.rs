//! The `syncd` program.
fn main() {}
