#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| mclag_tests::fuzz::keepalive(bytes));
