use std::fs::OpenOptions;

use super::*;

fn image() -> tempfile::NamedTempFile {
    tempfile::NamedTempFile::new().unwrap()
}

fn open(image: &tempfile::NamedTempFile) -> File {
    OpenOptions::new().read(true).write(true).open(image.path()).unwrap()
}

/// What QEMU does for a program that only reads, and insists that nobody writes.
fn lock_like_a_reader(file: &File) -> bool {
    share(file, USED + CONSISTENT_READ).unwrap();
    share(file, UNSHARED + WRITE).unwrap();
    !held_by_other(file, UNSHARED + CONSISTENT_READ).unwrap() && !held_by_other(file, USED + WRITE).unwrap()
}

#[test]
fn a_second_writer_is_told_which_image_is_in_use() {
    let image = image();
    let first = open(&image);
    lock_exclusive(&first, image.path()).unwrap();
    let error = lock_exclusive(&open(&image), image.path()).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("{}: the disk image is in use by another virtual machine or program", image.path().display())
    );
}

#[test]
fn the_lock_goes_with_the_open_file_and_ends_with_its_last_copy() {
    let image = image();
    let first = open(&image);
    lock_exclusive(&first, image.path()).unwrap();
    let copy = first.try_clone().unwrap();
    drop(first);
    assert!(matches!(lock_exclusive(&open(&image), image.path()), Err(LockError::InUse(_))));
    drop(copy);
    lock_exclusive(&open(&image), image.path()).unwrap();
}

#[test]
fn locking_again_through_the_same_open_file_is_fine() {
    let image = image();
    let first = open(&image);
    lock_exclusive(&first, image.path()).unwrap();
    lock_exclusive(&first, image.path()).unwrap();
}

#[test]
fn a_reader_that_wants_no_writer_is_refused_and_refuses_us() {
    let image = image();
    let ours = open(&image);
    lock_exclusive(&ours, image.path()).unwrap();
    assert!(!lock_like_a_reader(&open(&image)));
    drop(ours);

    let reader = open(&image);
    assert!(lock_like_a_reader(&reader));
    assert!(matches!(lock_exclusive(&open(&image), image.path()), Err(LockError::InUse(_))));
}

#[test]
fn readers_share_an_image_and_keep_writers_away() {
    let image = image();
    let read = || File::open(image.path()).unwrap();
    let readers = [read(), read()];
    for reader in &readers {
        lock_shared(reader, image.path()).unwrap();
    }
    assert!(lock_like_a_reader(&open(&image)));
    assert!(matches!(lock_exclusive(&open(&image), image.path()), Err(LockError::InUse(_))));
    drop(readers);
    let writer = open(&image);
    lock_exclusive(&writer, image.path()).unwrap();
    assert!(matches!(lock_shared(&read(), image.path()), Err(LockError::InUse(_))));
}

/// With the real thing, where it is installed: a copy reads the image, a resize writes to it.
#[test]
fn qemu_img_keeps_away() {
    let image = image();
    image.as_file().set_len(1 << 20).unwrap();
    let copy = image.path().with_extension("copy");
    let qemu_img = |arguments: &[&str]| {
        std::process::Command::new("qemu-img")
            .args(arguments)
            .output()
            .map(|output| (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned()))
    };
    let [image_path, copy_path] = [image.path(), &copy].map(|path| path.to_str().unwrap());
    let calls =
        [vec!["convert", "-f", "raw", image_path, copy_path], vec!["resize", "-f", "raw", image_path, "2M"]];
    if qemu_img(&["--version"]).is_err() {
        eprintln!("not run: no qemu-img on this machine");
        return;
    }
    for call in &calls {
        assert_eq!(qemu_img(call).unwrap(), (true, String::new()));
    }
    let ours = open(&image);
    lock_exclusive(&ours, image.path()).unwrap();
    for call in &calls {
        let (success, message) = qemu_img(call).unwrap();
        assert!(!success && message.contains("lock"), "{call:?}: {message}");
    }
    std::fs::remove_file(&copy).unwrap();
}
