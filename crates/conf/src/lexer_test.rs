use std::path::Path;

use super::*;

/// The tokens of a text up to its end, without the end.
fn tokens(text: impl AsRef<[u8]>) -> Vec<(Kind, String)> {
    lex(text, &[]).0
}

fn lex(text: impl AsRef<[u8]>, macros: &[(&str, &str)]) -> (Vec<(Kind, String)>, Vec<String>) {
    let mut cx = Context::new();
    let source = cx.report.sources.add(Path::new("test"), text.as_ref().to_vec());
    let mut lexer = Lexer::new(source, &cx);
    let anywhere = lexer.start();
    for (name, value) in macros {
        cx.define(name.as_bytes(), Some(value.as_bytes()), anywhere);
    }
    let mut tokens = Vec::new();
    loop {
        let token = lexer.token(&mut cx);
        if token.kind == Kind::End {
            return (tokens, cx.report.iter().map(|error| error.message().to_owned()).collect());
        }
        let text = if token.kind == Kind::Newline { "\n".to_owned() } else { plain(&token) };
        tokens.push((token.kind, text));
    }
}

/// The whole text of a token, of a mark the mark.
fn plain(token: &Token) -> String {
    if token.text.is_empty() { token.shown() } else { String::from_utf8_lossy(&token.text).into_owned() }
}

fn words(text: impl AsRef<[u8]>) -> Vec<String> {
    tokens(text).into_iter().map(|(_, text)| text).collect()
}

fn kinds(text: &str) -> Vec<Kind> {
    tokens(text).into_iter().map(|(kind, _)| kind).collect()
}

fn expanded(text: &str, macros: &[(&str, &str)]) -> Vec<(Kind, String)> {
    lex(text, macros).0
}

fn token(kind: Kind, text: &str) -> (Kind, String) {
    (kind, text.to_owned())
}

#[test]
fn words_start_and_go_on_with_their_characters() {
    assert_eq!(words("a_b.c-d/e:f~g*h|i"), ["a_b.c-d/e:f~g*h|i"]);
    assert_eq!(words("/a :b _c 9d"), ["/a", ":b", "_c", "9d"]);
    assert_eq!(words("a{b}c=d,e"), ["a", "{", "b", "}", "c", "=", "d", ",", "e"]);
    assert_eq!(kinds("~/x ./x @x"), [Kind::Stray; 3]);
    assert_eq!(words("~/x ./x @x"), ["~/x", "./x", "@x"]);
    assert_eq!(kinds("!("), [Kind::Stray; 2]);
}

#[test]
fn quotes_and_dollars_inside_of_a_word_are_its_own() {
    assert_eq!(words("a\"b\" c$d e'f"), ["a\"b\"", "c$d", "e'f"]);
}

#[test]
fn reserved_words_are_lower_case_and_not_in_quotes() {
    assert_eq!(kinds("vm"), [Kind::Keyword(Keyword::Vm)]);
    assert_eq!(
        kinds("VM Vm vms \"vm\" cpus"),
        [Kind::Word, Kind::Word, Kind::Word, Kind::Quoted, Kind::Word]
    );
}

#[test]
fn numbers_need_an_end_that_lets_them_be_one() {
    for text in ["7", "7 ", "7\t", "7\n", "7)", "7,", "7/", "7}", "7=", "-7 ", "7;", "7; ", "7;;\n", "7\u{b}"]
    {
        assert_eq!(kinds(text).first(), Some(&Kind::Number), "{text:?}");
    }
    for text in ["7M", "7.0.0.0/8", "7:7", "7{", "7#", "7;8", "7!"] {
        assert_eq!(kinds(text).first(), Some(&Kind::Word), "{text:?}");
    }
    for text in ["-", "-a", "-7M", "- 7"] {
        assert_eq!(kinds(text).first(), Some(&Kind::Stray), "{text:?}");
    }
}

#[test]
fn numbers_have_64_bits() {
    assert_eq!(kinds("9223372036854775807 -9223372036854775808"), [Kind::Number; 2]);
    let (tokens, errors) = lex("9223372036854775808", &[]);
    assert_eq!(tokens, [token(Kind::Error, "9223372036854775808")]);
    assert_eq!(errors, ["the number 9223372036854775808 is out of range"]);
}

#[test]
fn a_semicolon_ends_a_word_but_for_one_in_its_middle() {
    use Kind::{Semicolon, Word};
    assert_eq!(tokens("a; b"), [token(Word, "a"), token(Semicolon, ";"), token(Word, "b")]);
    assert_eq!(tokens("a;b;;"), [token(Word, "a;b"), token(Semicolon, ";"), token(Semicolon, ";")]);
    assert_eq!(tokens("\"a;\""), [token(Kind::Quoted, "a;")]);
}

#[test]
fn quotes_know_few_escapes() {
    assert_eq!(words(r#""a\"b" 'a\'b' "a\'b" 'a\"b'"#), ["a\"b", "a'b", "a\\'b", "a\\\"b"]);
    assert_eq!(words("\"a\\ b\\\tc\\nd\\\\e\""), ["a b\tc\\nd\\\\e"]);
    assert_eq!(words("\"a\\\nb\nc\" \"# $x {\""), ["abc", "# $x {"]);
    assert_eq!(words("\"\" ''"), ["", ""]);
}

#[test]
fn a_backslash_outside_of_quotes_is_what_follows_it() {
    assert_eq!(words("a\\\nb c\\d \\\\e"), ["ab", "cd", "\\e"]);
    assert_eq!(words("a \\\n b"), ["a", "b"]);
    assert_eq!(words("\\\"a\\\" b\""), ["a\" b"]);
    assert_eq!(words("a\\"), ["a"]);
}

#[test]
fn comments_end_with_their_line_unless_it_is_joined() {
    assert_eq!(words("a#b\nc"), ["a", "\n", "c"]);
    assert_eq!(words("# a \\\n b\nc"), ["\n", "c"]);
    assert_eq!(words("# \0 \u{fc}\nc"), ["\n", "c"]);
}

#[test]
fn foreign_line_ends_and_byte_order_marks_are_gone() {
    assert_eq!(words("\u{feff}a\r\nb\r\n\"c\r\nd\""), ["a", "\n", "b", "\n", "cd"]);
    assert_eq!(kinds("a\rb"), [Kind::Word, Kind::Stray]);
}

#[test]
fn macros_are_read_as_if_they_stood_there() {
    let macros = [("dir", "/vm"), ("two", "disk \"a b\""), ("n", "2"), ("empty", ""), ("money", "$n")];
    assert_eq!(expanded("$dir/x", &macros), [token(Kind::Word, "/vm/x")]);
    assert_eq!(
        expanded("$two $n", &macros),
        [token(Kind::Keyword(Keyword::Disk), "disk"), token(Kind::Quoted, "a b"), token(Kind::Number, "2")]
    );
    assert_eq!(expanded("$n$n", &macros), [token(Kind::Word, "2$n")]);
    assert_eq!(expanded("$empty$n", &macros), [token(Kind::Number, "2")]);
    assert_eq!(expanded("$money", &macros), [token(Kind::Stray, "$n")]);
    assert_eq!(expanded("\"$n\"", &macros), [token(Kind::Quoted, "$n")]);
}

#[test]
fn a_quote_or_a_comment_may_start_in_a_macro() {
    assert_eq!(expanded("$a x\" y", &[("a", "\"b")]), [token(Kind::Quoted, "b x"), token(Kind::Word, "y")]);
    assert_eq!(expanded("$a x\ny", &[("a", "#")]), [token(Kind::Newline, "\n"), token(Kind::Word, "y")]);
}

#[test]
fn tokens_have_the_places_of_what_was_written() {
    let mut cx = Context::new();
    let source = cx.report.sources.add(Path::new("test"), b"ab $m/c \"d\\\ne\"".to_vec());
    let mut lexer = Lexer::new(source, &cx);
    let anywhere = lexer.start();
    cx.define(b"m", Some(b"x y"), anywhere);
    let places: Vec<_> = (0..4)
        .map(|_| lexer.token(&mut cx).span)
        .map(|span| (span.start, span.end, span.origin.is_some()))
        .collect();
    assert_eq!(places, [(0, 2, false), (3, 5, true), (3, 7, true), (8, 14, false)]);
}

#[test]
fn words_and_strings_have_a_greatest_length() {
    let most = "x".repeat(MAX_TOKEN);
    assert_eq!(kinds(&format!("{most} \"{most}\"")), [Kind::Word, Kind::Quoted]);
    assert_eq!(kinds(&format!("{most}x \"{most}x\"")), [Kind::Error; 2]);
}

#[test]
fn nothing_is_read_behind_a_nul_or_an_open_quote() {
    for (text, message) in [
        ("a \0 b", "test is not a text file: it contains a NUL byte"),
        ("a \"b\0\" c", "test is not a text file: it contains a NUL byte"),
        ("a \"b c", "a quoted string is not closed"),
        ("a 'b\n c", "a quoted string is not closed"),
    ] {
        let (tokens, errors) = lex(text, &[]);
        assert_eq!(tokens, [token(Kind::Word, "a"), token(Kind::Error, "")], "{text:?}");
        assert_eq!(errors, [message]);
    }
}
