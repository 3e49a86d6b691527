#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| machine::boot::fuzz::bzimage(bytes));
