use super::*;

fn values(content: &[u8]) -> Vec<(String, String, usize)> {
    let file = EnvFile::parse(content);
    assert_eq!(file.faults, []);
    file.values.into_iter().map(|value| (value.name, value.text, value.line)).collect()
}

fn value(name: &str, text: &str, line: usize) -> (String, String, usize) {
    (name.to_owned(), text.to_owned(), line)
}

#[test]
fn comments_quotes_and_a_byte_order_mark_are_understood() {
    let content =
        b"\xef\xbb\xbfA=1\r\n# it's a comment\n\n  export B=\"two words\" # why\nC='#'\nD=\\'x\nE =\nF= # none\n";
    assert_eq!(
        values(content),
        [
            value("A", "1", 1),
            value("B", "two words", 4),
            value("C", "#", 5),
            value("D", "'x", 6),
            value("E", "", 7),
            value("F", "", 8)
        ]
    );
    assert_eq!(values(b""), []);
    assert_eq!(values(b"\n \n# nothing\n"), []);
    // The last line may end in blanks and without a newline.
    assert_eq!(values(b"A=1 "), [value("A", "1", 1)]);
}

#[test]
fn of_two_values_the_first_counts() {
    assert_eq!(values(b"A=1\nB=2\nexport A=3\n"), [value("A", "1", 1), value("B", "2", 2)]);
    assert_eq!(EnvFile::parse(b"A=1\nA=3\n").get("A"), Some("1"));
    assert_eq!(EnvFile::parse(b"A=1\n").get("B"), None);
}

#[test]
fn a_quoted_value_may_go_on_for_several_lines() {
    let content = b"A=1\nB='two\nC=no variable\n# no comment'\nD=\"3\n4\"\r\nE=5\n";
    assert_eq!(
        values(content),
        [
            value("A", "1", 1),
            value("B", "two\nC=no variable\n# no comment", 2),
            value("D", "3\n4", 5),
            value("E", "5", 7)
        ]
    );
}

#[test]
fn every_bad_line_is_reported_and_every_good_one_is_read() {
    let mut content = format!(
        "A=1\nKEY={} hunter2\n\n# comment\nnonsense hunter2\nMY-KEY=hunter2\nexport E=hunter2 x\n",
        "x".repeat(20_000)
    )
    .into_bytes();
    content.extend_from_slice(b"B=\xff\nC='hunter2\nD='3'\n=hunter2\n");
    let file = EnvFile::parse(&content);
    let unquoted = "has a value that can't be read";
    assert_eq!(
        file.faults.iter().map(|fault| (fault.line, fault.what)).collect::<Vec<_>>(),
        [
            (2, unquoted),
            (5, "isn't NAME=value"),
            (6, "isn't NAME=value"),
            (7, unquoted),
            (8, "isn't valid UTF-8"),
            (9, "opens a quote that isn't closed"),
            (11, "isn't NAME=value"),
        ]
    );
    assert!(!format!("{:?}", file.faults).contains("hunter2"));
    assert_eq!((file.get("A"), file.get("D")), (Some("1"), Some("3")));
    assert_eq!(file.values.len(), 2);
}

#[test]
fn an_open_quote_is_reported_where_it_opens() {
    for (content, line, good) in [
        ("A=1\n# comment\nB='hunter2\nC=3\nD=4", 3, "ACD"),
        ("A=1\n# comment\nB='hunter2\nC=3\nD=4\n", 3, "ACD"),
        ("A=1\nB='hunter2\n# it's closed in here\nC=3\nD=\"4\"\n", 2, "ACD"),
        ("A=1\nB=\"hunter2\nC=\"3\"\n", 2, "AC"),
        ("B=\"a b\" \"\n", 1, ""),
    ] {
        let file = EnvFile::parse(content.as_bytes());
        assert_eq!(file.faults, [Fault::open_quote(line)], "{content}");
        assert_eq!(file.values.iter().map(|value| value.name.as_str()).collect::<String>(), good, "{content}");
    }
    // A line that isn't text ends the search for the quote's end.
    let file = EnvFile::parse(b"A='1\n\xff\n'\nB=2\n");
    assert_eq!(file.faults, [Fault::open_quote(1), Fault::not_utf8(2), Fault::open_quote(3)]);
    assert_eq!(file.get("B"), Some("2"));
}

#[test]
fn values_may_refer_to_those_before_them() {
    let content = b"XTASK_ENV_TEST=1\nbad line\nB=${XTASK_ENV_TEST}2\nC='$B'\nbad line\n";
    let file = EnvFile::parse(content);
    assert_eq!((file.get("B"), file.get("C")), (Some("12"), Some("$B")));
    assert_eq!(file.faults, [2, 5].map(Fault::not_an_assignment));
    // A file that is read by itself may not refer to variables, because the environment's value would win.
    let file = EnvFile::parse_by_itself(content);
    assert_eq!(file.faults, [Fault::not_an_assignment(2), Fault::reference(3), Fault::not_an_assignment(5)]);
    assert_eq!(file.values.len(), 3);
}

#[test]
fn references_are_found_where_dotenvy_would_follow_them() {
    let content = "A=$HOME\nB=\"x${A}y$B.\"\nC='$A'\nD=\\$A\nE=\"\\$A\"\n# $A\nF=x # $A\nG='\n$A\n'\nH=\"'$A'\"\n\
                   I=x\\\\$A\nJ=\"\n$A.\"\nK=x#$A\nL=\\'$A\nM= # $A\nN=#$A\nO=\"\\\"'$A'\\\"\"\n";
    let file = EnvFile::parse_by_itself(content.as_bytes());
    // Every name but C to G, M and N stands on a line with a reference. Each quoted newline shifts the rest by one.
    assert_eq!(file.faults, [1, 2, 11, 12, 14, 15, 16, 19].map(Fault::reference));
    assert_eq!(EnvFile::parse(content.as_bytes()).faults, []);
}
