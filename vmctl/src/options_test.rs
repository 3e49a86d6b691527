use super::*;

const START: Syntax = Syntax { letters: "b:cd:m:", words: &["cpus:", "help"] };

fn read(line: &[&str]) -> Result<Arguments, SyntaxError> {
    parse(line.iter().map(|s| (*s).to_owned()).collect(), START)
}

fn given(name: &str, value: &str) -> Given {
    Given { name: name.to_owned(), value: value.to_owned() }
}

#[test]
fn a_value_is_glued_or_the_next_argument() {
    for line in [&["-m1G", "web"][..], &["-m", "1G", "web"]] {
        let parsed = read(line).unwrap();
        assert_eq!(parsed.options, [given("m", "1G")]);
        assert_eq!(parsed.operands, ["web"]);
    }
    assert_eq!(read(&["-m 1G", "web"]).unwrap().options, [given("m", " 1G")]);
}

#[test]
fn options_and_operands_come_in_either_order() {
    let before = read(&["-c", "-m", "1G", "-d", "a", "-d", "b", "web"]).unwrap();
    let after = read(&["web", "-c", "-m", "1G", "-d", "a", "-d", "b"]).unwrap();
    assert_eq!(before, after);
    assert_eq!(before.operands, ["web"]);
    assert!(before.has("c") && !before.has("b"));
}

#[test]
fn letters_can_be_joined_up_to_one_with_a_value() {
    assert_eq!(read(&["-cm1G"]).unwrap().options, [given("c", ""), given("m", "1G")]);
    assert_eq!(read(&["-cm", "1G"]).unwrap().options, [given("c", ""), given("m", "1G")]);
}

#[test]
fn words_take_their_value_in_two_ways() {
    for line in [&["--cpus=2"][..], &["--cpus", "2"]] {
        assert_eq!(read(line).unwrap().options, [given("cpus", "2")]);
    }
    assert!(read(&["--help"]).unwrap().has("help"));
}

#[test]
fn two_dashes_end_the_options_and_one_dash_is_an_operand() {
    let parsed = read(&["-c", "--", "-m", "web"]).unwrap();
    assert_eq!(parsed.operands, ["-m", "web"]);
    assert_eq!(read(&["-"]).unwrap().operands, ["-"]);
}

#[test]
fn what_is_wrong_is_named() {
    assert_eq!(read(&["-x"]), Err(SyntaxError::Unknown("x".into())));
    assert_eq!(read(&["-:"]), Err(SyntaxError::Unknown(":".into())));
    assert_eq!(read(&["-ä"]), Err(SyntaxError::Unknown("ä".into())));
    assert_eq!(read(&["--odd=1"]), Err(SyntaxError::Unknown("odd".into())));
    assert_eq!(read(&["web", "-m"]), Err(SyntaxError::NoValue("m".into())));
    assert_eq!(read(&["--cpus"]), Err(SyntaxError::NoValue("cpus".into())));
    assert_eq!(read(&["--help=yes"]), Err(SyntaxError::Value("help".into())));
}

#[test]
fn global_options_end_at_the_command() {
    let line = ["-c", "start", "-m", "1G"].map(String::from).to_vec();
    let (global, rest) = parse_leading(line, START).unwrap();
    assert!(global.has("c"));
    assert_eq!(rest, ["start", "-m", "1G"]);
}
