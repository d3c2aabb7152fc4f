//! The picture in the README: `docs/db-setup.svg`, a first run of `db-setup` in a terminal.
//!
//! `UPDATE_EXPECT=1 cargo nextest run -p xtask -E 'test(picture)'` makes it anew from the output of a real run.

use std::path::{Path, PathBuf};

use anstyle_svg::Term;

use crate::support::run::Invocation;
use crate::support::snapshot::{at_home, without_chance};
use crate::support::{Server, Workspace};

const COMMAND: &str = "$ cargo xtask db-setup";

/// The background of GitHub's dark mode. In its light mode it makes a dark window.
const BACKGROUND: anstyle::Color = colour(0x0d, 0x11, 0x17);
const TEXT: anstyle::Color = colour(0xe6, 0xed, 0xf3);

const fn colour(red: u8, green: u8, blue: u8) -> anstyle::Color {
    anstyle::Color::Rgb(anstyle::RgbColor(red, green, blue))
}

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/db-setup.svg")
}

/// Draws the output of a terminal.
fn draw(output: &str) -> String {
    let svg = Term::new().fg_color(TEXT).bg_color(BACKGROUND).render_svg(output);
    let size = |name: &str| svg.split_once(&format!("{name}=\"")).unwrap().1.split_once("px").unwrap().0;
    let (width, height) = (size("width"), size("height"));
    // A browser that shows it smaller has to know its size. Dim text has to be readable on a dark background.
    let head = format!("<svg viewBox=\"0 0 {width} {height}\" width");
    svg.replacen("<svg width", &head, 1).replace(".dimmed { opacity: 0.4; }", ".dimmed { opacity: 0.7; }")
}

/// Returns the text of a picture.
fn text(svg: &str) -> String {
    let body = svg.split_once("<text").unwrap().1.split_once("</text>").unwrap().0;
    let lines = body.split("<tspan x=").skip(1).map(|line| {
        let mut text = String::new();
        // The first piece is the rest of the line's own tag.
        for piece in line.split('<') {
            text.push_str(piece.split_once('>').map_or("", |(_, text)| text));
        }
        text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&").trim_end().to_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The words and the order of the lines are compared. Times, the version of PostgreSQL and the port differ in each run.
#[test]
fn the_picture_in_the_readme_is_current() {
    let server = Server::start();
    let workspace = Workspace::repository().build();
    // The role of the contract, which has to make the one that writes the audit trail.
    let (role, password) = ("quickcart", "a-passw0rd-of-this-test");
    server.create_role(role, password, "CREATEDB CREATEROLE");
    workspace.set_authority("127.0.0.1", server.port, role, password);
    let both = "exec \"$0\" db-setup --format terminal 2>&1";
    let run = Invocation::of(&workspace, "/bin/sh", &["-c", both, env!("CARGO_BIN_EXE_xtask")]).run().code(0);
    let output = format!("{COMMAND}\n{}", at_home(&workspace, &run.stdout));
    assert!(output.contains("\u{1b}[32m"), "there are no colours: {output}");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(file(), draw(&output)).unwrap();
    }
    let shown = text(&std::fs::read_to_string(file()).unwrap());
    let expected = console::strip_ansi_codes(&output).into_owned();
    assert_eq!(without_chance(&shown).trim_end(), without_chance(&expected).trim_end());
}
