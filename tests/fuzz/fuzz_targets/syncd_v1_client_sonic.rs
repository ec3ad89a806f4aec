#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| mclag_tests::fuzz::syncd_v1_client_sonic(bytes));
