use super::*;

/// All output and the status, for a stream that arrives in pieces of this size.
fn split(stream: &[u8], piece: usize) -> (Vec<u8>, Option<i32>) {
    let mut splitter = Splitter::new("abc");
    let mut output = Vec::new();
    for bytes in stream.chunks(piece) {
        output.extend(splitter.push(bytes));
    }
    (output, splitter.status)
}

#[test]
fn the_mark_is_found_however_the_stream_is_cut() {
    let stream = b"login: \0ab \0abc\0\0abc 130\n";
    for piece in 1..=stream.len() {
        assert_eq!(split(stream, piece), (b"login: \0ab \0abc\0".to_vec(), Some(130)), "pieces of {piece}");
    }
}

#[test]
fn a_prompt_is_not_held_back() {
    assert_eq!(Splitter::new("abc").push(b"login: "), b"login: ");
}

#[test]
fn answers_are_checked() {
    assert_eq!(parse_done("done 1 20 300"), Some((1, 20, 300)));
    assert_eq!(parse_done("done 0 0"), None);
    assert_eq!(parse_done("done 0 0 99999999999"), None);
    assert_eq!(parse_done("ready"), None);
}
