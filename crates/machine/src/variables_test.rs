use std::io::Write;

use super::*;

const LEN: usize = 3 * BLOCK;

fn file() -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&vec![0x55; LEN]).unwrap();
    file
}

fn variables(file: &File) -> Variables {
    let hook: ThreadHook = Arc::new(|_| ());
    Variables::new(file.try_clone().unwrap(), &hook).unwrap()
}

fn contents(file: &File) -> Vec<u8> {
    let mut bytes = vec![0; LEN];
    file.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

/// What firmware does to change a byte.
fn put(variables: &Variables, offset: u64, value: u8) {
    let mut chip = variables.keeper.chip();
    chip.write(offset, &[0x10]);
    chip.write(offset, &[value]);
    chip.write(offset, &[0xFF]);
}

#[test]
fn the_file_follows_the_chip_and_no_other_byte_of_it_changes() {
    let file = file();
    let variables = variables(&file);
    let mut byte = [0];
    variables.keeper.chip().read(LEN as u64 - 1, &mut byte);
    assert_eq!(byte, [0x55], "the chip begins with what is in the file");
    put(&variables, BLOCK as u64 + 7, 0xA0);
    variables.keeper.finish();
    let mut wanted = vec![0x55; LEN];
    wanted[BLOCK + 7] = 0xA0;
    assert_eq!(contents(&file), wanted);
    // What has been begun is done before the end.
    put(&variables, 0, 0xA1);
    variables.keeper.begin();
    drop(variables);
    wanted[0] = 0xA1;
    assert_eq!(contents(&file), wanted);
}

#[test]
fn a_file_that_can_not_be_written_loses_nothing_and_stops_nobody() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("web.fd");
    std::fs::write(&path, vec![0x55; LEN]).unwrap();
    let variables = variables(&File::open(&path).unwrap());
    put(&variables, 3, 0xA0);
    variables.keeper.finish();
    assert!(variables.keeper.chip().has_changed(), "it is tried again");
    assert_eq!(std::fs::read(&path).unwrap(), vec![0x55; LEN]);
}

#[test]
fn a_file_of_an_odd_size_is_refused() {
    let hook: ThreadHook = Arc::new(|_| ());
    for len in [0, 1, BLOCK as u64 + 1, MAX_VARIABLES + BLOCK as u64] {
        let file = tempfile::tempfile().unwrap();
        file.set_len(len).unwrap();
        assert!(Variables::new(file, &hook).is_err(), "{len}");
    }
}
