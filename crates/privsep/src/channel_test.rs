use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::fd::AsRawFd;

use proptest::prelude::*;
use rustix::io::{fcntl_getfd, read};
use rustix::net::send;
use rustix::pipe::pipe;
use serde::{Deserialize, Serialize};

use super::*;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Ask {
    Number(u32),
    Text(String),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Answer {
    Yes,
    List(Vec<u8>),
}

const SOON: Duration = Duration::from_secs(60);

fn connected() -> (Channel<Ask, Answer>, Channel<Answer, Ask>) {
    let (ours, theirs) = Channel::pair().unwrap();
    (ours, Channel::from_fd(theirs).unwrap())
}

/// A channel and the bare socket of a peer that may send anything.
fn hostile() -> (Channel<Ask, Answer>, OwnedFd) {
    Channel::pair().unwrap()
}

fn file_with(text: &str) -> File {
    let memory = rustix::fs::memfd_create("test", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
    let mut file = File::from(memory);
    file.write_all(text.as_bytes()).unwrap();
    file.rewind().unwrap();
    file
}

/// The largest text whose message still fits: two bytes of length less for each 14 bits, one for the variant.
fn largest() -> Ask {
    Ask::Text("x".repeat(MAX_MESSAGE - 4))
}

#[test]
fn messages_arrive_in_order_both_ways() {
    let (mut left, mut right) = connected();
    left.send(&Ask::Number(1), &[]).unwrap();
    left.send(&Ask::Text("two".into()), &[]).unwrap();
    right.send(&Answer::List(vec![3; 3]), &[]).unwrap();
    assert_eq!(right.recv().unwrap().unwrap().0, Ask::Number(1));
    assert_eq!(right.recv().unwrap().unwrap().0, Ask::Text("two".into()));
    assert!(right.recv().unwrap().is_none());
    assert_eq!(left.recv().unwrap().unwrap().0, Answer::List(vec![3; 3]));
}

#[test]
fn descriptors_ride_with_their_message_and_close_on_exec() {
    let (mut left, mut right) = connected();
    let (first, second) = (file_with("first"), file_with("second"));
    left.send(&Ask::Number(0), &[]).unwrap();
    left.send(&Ask::Number(2), &[first.as_fd(), second.as_fd()]).unwrap();
    assert!(right.recv().unwrap().unwrap().1.is_empty());
    let (_, descriptors) = right.recv().unwrap().unwrap();
    let texts: Vec<String> = descriptors
        .into_iter()
        .map(|descriptor| {
            assert!(fcntl_getfd(&descriptor).unwrap().contains(FdFlags::CLOEXEC));
            let mut text = String::new();
            File::from(descriptor).read_to_string(&mut text).unwrap();
            text
        })
        .collect();
    assert_eq!(texts, ["first", "second"]);
}

#[test]
fn the_largest_message_passes_and_the_next_does_not() {
    let (mut left, mut right) = connected();
    left.send(&largest(), &[]).unwrap();
    assert_eq!(right.recv().unwrap().unwrap().0, largest());
    let error = left.send(&Ask::Text("x".repeat(MAX_MESSAGE)), &[]).unwrap_err();
    assert!(matches!(error, ChannelError::Unsendable(_)), "{error}");
}

#[test]
fn the_most_descriptors_pass_and_one_more_does_not() {
    let (mut left, mut right) = connected();
    let file = file_with("");
    left.send(&Ask::Number(0), &[file.as_fd(); MAX_DESCRIPTORS]).unwrap();
    assert_eq!(right.recv().unwrap().unwrap().1.len(), MAX_DESCRIPTORS);
    let error = left.send(&Ask::Number(0), &[file.as_fd(); MAX_DESCRIPTORS + 1]).unwrap_err();
    assert!(matches!(error, ChannelError::Unsendable(_)), "{error}");
}

#[test]
fn what_a_peer_does_not_read_waits_with_its_descriptors() {
    let (mut left, mut right) = connected();
    let mut sent = 0;
    while !left.wants_write() {
        left.send(&Ask::Number(sent), &[]).unwrap();
        sent += 1;
    }
    left.send(&Ask::Number(sent), &[file_with("late").as_fd()]).unwrap();
    for number in 0..sent {
        assert_eq!(right.recv_wait(SOON).unwrap().0, Ask::Number(number));
        left.flush().unwrap();
    }
    let (last, mut descriptors) = right.recv_wait(SOON).unwrap();
    let mut text = String::new();
    File::from(descriptors.remove(0)).read_to_string(&mut text).unwrap();
    assert_eq!((last, text.as_str()), (Ask::Number(sent), "late"));
    assert!(!left.wants_write());
}

#[test]
fn a_peer_that_never_reads_is_given_up() {
    let (mut left, _right) = connected();
    let (null, mut sent) = (File::open("/dev/null").unwrap(), 0);
    let error = (0..10_000).find_map(|n| left.send(&Ask::Number(n), &[null.as_fd()]).err()).unwrap();
    assert!(matches!(error, ChannelError::Backlog), "{error}");
    let (mut left, _right) = connected();
    let long = Ask::Text("x".repeat(60_000));
    while left.send(&long, &[]).is_ok() {
        sent += 1;
    }
    assert!((200..400).contains(&sent), "{sent} long messages were taken");
}

#[test]
fn a_closed_peer_is_noticed_on_both_ways_after_its_last_words() {
    let (mut left, mut right) = connected();
    left.send(&Ask::Number(7), &[]).unwrap();
    drop(left);
    assert_eq!(right.recv().unwrap().unwrap().0, Ask::Number(7));
    assert!(matches!(right.recv(), Err(ChannelError::Closed)));
    assert!(matches!(right.send(&Answer::Yes, &[]), Err(ChannelError::Closed)));
}

#[test]
fn a_peer_that_leaves_without_reading_counts_as_closed() {
    let (mut left, right) = connected();
    left.send(&Ask::Number(7), &[]).unwrap();
    drop(right);
    assert!(matches!(left.recv(), Err(ChannelError::Closed)));
}

#[test]
fn waiting_ends_with_the_time() {
    let (mut left, mut right) = connected();
    let start = Instant::now();
    let error = left.recv_wait(Duration::from_millis(30)).unwrap_err();
    assert!(matches!(error, ChannelError::TimedOut), "{error}");
    assert!(start.elapsed() >= Duration::from_millis(30));
    left.send_wait(&Ask::Number(1), &[], SOON).unwrap();
    assert_eq!(right.recv_wait(SOON).unwrap().0, Ask::Number(1));
    let error = (0..10_000)
        .find_map(|number| left.send_wait(&Ask::Number(number), &[], Duration::from_millis(30)).err())
        .unwrap();
    assert!(matches!(error, ChannelError::TimedOut), "{error}");
}

#[test]
fn bytes_that_are_no_message_are_refused() {
    for (bytes, what) in [
        (&[9][..], "an unknown variant"),
        (&[1, 200], "a length beyond the end"),
        (&[1, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1], "an enormous length"),
        (&[0, 0], "a byte behind the end"),
        (&[1, 2, 1], "a list that is too short"),
    ] {
        let (mut channel, peer) = hostile();
        send(&peer, bytes, SendFlags::NOSIGNAL).unwrap();
        let error = channel.recv().unwrap_err();
        assert!(matches!(error, ChannelError::Malformed(_)), "{what}: {error}");
    }
}

#[test]
fn a_packet_that_is_too_long_is_refused_and_not_cut() {
    let (mut channel, peer) = hostile();
    send(&peer, &[0; MAX_MESSAGE + 1], SendFlags::NOSIGNAL).unwrap();
    let error = channel.recv().unwrap_err();
    assert!(error.to_string().contains("too long"), "{error}");
}

#[test]
fn descriptors_of_a_refused_message_are_closed() {
    for (bytes, count) in [(&[0][..], MAX_DESCRIPTORS + 1), (&[0], 200), (&[9], 1)] {
        let (mut channel, peer) = hostile();
        let (reader, writer) = pipe().unwrap();
        let descriptors = vec![writer.as_fd(); count];
        let mut space = vec![MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(250))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        assert!(control.push(SendAncillaryMessage::ScmRights(&descriptors)));
        sendmsg(&peer, &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL).unwrap();
        assert!(matches!(channel.recv(), Err(ChannelError::Malformed(_))), "{count} descriptors");
        drop(writer);
        // The end of the file is only there when all duplicates of the other side are closed.
        assert_eq!(read(&reader, &mut [0]).unwrap(), 0, "{count} descriptors");
    }
}

#[test]
fn only_a_socket_of_packets_makes_a_channel() {
    let (stream, _other) =
        socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None).unwrap();
    assert!(Channel::<Ask, Answer>::from_fd(stream).is_err());
    assert!(Channel::<Ask, Answer>::from_fd(file_with("").into()).is_err());
}

#[test]
fn a_given_socket_does_not_block_and_closes_on_exec() {
    let (ours, _theirs) =
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::empty(), None).unwrap();
    let mut channel = Channel::<Ask, Answer>::from_fd(ours).unwrap();
    assert!(fcntl_getfd(&channel).unwrap().contains(FdFlags::CLOEXEC));
    assert!(channel.as_raw_fd() > 2);
    assert!(channel.recv().unwrap().is_none());
}

proptest! {
    #[test]
    fn any_bytes_are_a_message_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let (mut channel, peer) = hostile();
        send(&peer, &bytes, SendFlags::NOSIGNAL).unwrap();
        match channel.recv() {
            Ok(Some((message, _))) => {
                // Whatever was taken for a message survives the way back.
                let again = postcard::to_stdvec(&message).unwrap();
                prop_assert_eq!(decode::<Answer>(&again).unwrap(), message);
            }
            Ok(None) => prop_assert!(false, "nothing came"),
            Err(ChannelError::Malformed(_)) => {}
            Err(ChannelError::Closed) => prop_assert!(bytes.is_empty()),
            Err(error) => prop_assert!(false, "{}", error),
        }
    }
}

#[test]
fn the_longest_message_fits_into_the_socket() {
    let (mut left, mut right) = connected();
    // Its variant and its length take four bytes.
    let longest = Ask::Text("x".repeat(MAX_MESSAGE - 4));
    left.send(&longest, &[]).unwrap();
    assert!(!left.wants_write());
    assert_eq!(right.recv().unwrap().unwrap().0, longest);
    assert!(matches!(left.send(&Ask::Text("x".repeat(MAX_MESSAGE)), &[]), Err(ChannelError::Unsendable(_))));
}
