use super::*;

#[test]
fn a_message_of_the_greatest_length_passes_in_any_pieces() {
    let now = Instant::now();
    let mut bytes = vec![b'x'; MAX_MESSAGE];
    bytes.push(0);
    for size in [1, 7, 4096, bytes.len()] {
        let mut message = Message::default();
        for piece in [&bytes[..], &bytes[..]].concat().chunks(size) {
            message.take(piece, now).unwrap();
        }
        assert_eq!((message.length, message.deadline), (0, None), "pieces of {size}");
    }
}

#[test]
fn a_longer_one_does_not() {
    let mut bytes = b"{}\0".to_vec();
    bytes.resize(3 + MAX_MESSAGE + 1, b'x');
    for size in [1, 4096, bytes.len()] {
        let mut message = Message::default();
        let refused = bytes.chunks(size).find_map(|piece| message.take(piece, Instant::now()).err());
        assert!(matches!(refused, Some(zlink::Error::BufferOverflow)), "pieces of {size}");
    }
}

#[test]
fn the_time_of_a_message_runs_from_its_first_byte() {
    let start = Instant::now();
    let later = start + Duration::from_secs(5);
    let mut message = Message::default();
    message.take(b"{", start).unwrap();
    message.take(b"\"a", later).unwrap();
    assert_eq!(message.deadline, Some(start + MESSAGE_TIME));
    message.take(b"\":1}\0", later).unwrap();
    assert_eq!(message.deadline, None);
    message.take(b"{}\0{", later).unwrap();
    assert_eq!(message.deadline, Some(later + MESSAGE_TIME));
}
