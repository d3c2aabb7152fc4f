//! Disks that are full, and disks that lose their power. Only root can make them.

use std::process::Command;

use crate::server::Server;
use crate::support::{Place, archive, end, zip};

/// A disk of one megabyte is full soon. Only root can make one.
#[test]
fn a_full_disk_is_named_and_gets_its_room_back() {
    let bytes = archive();
    let server = Server::of(bytes.clone());
    let place = Place::new(&bytes, &server.url());
    let disk = place.base().join("cache");
    std::fs::create_dir(&disk).unwrap();
    let unshare = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", script, "sh"]).arg(&disk);
        command
    };
    let mount = "mount -t tmpfs -o size=1m tmpfs \"$1\" || exit 77";
    if !unshare(mount).output().is_ok_and(|output| output.status.success()) {
        println!("skipped: this user can't mount a file system");
        return;
    }
    let run = place.command();
    let mut command =
        unshare(&format!("{mount}; shift; \"$@\"; code=$?; ls \"$0.none\" {} 2>/dev/null; exit $code", disk.display()));
    command.arg(run.get_program()).args(run.get_args());
    let ended = end(&mut command);
    assert!(!ended.succeeded && ended.said.contains("is full") && ended.said.contains("MB there"), "{ended:?}");
    assert!(!ended.said.contains("1-abc\n") && ended.said.contains("lock\n"), "the room is given back: {ended:?}");
}

/// A file system that is shut down keeps only what was flushed before, as a disk does in a power cut.
#[test]
fn a_power_cut_leaves_no_incomplete_folder() {
    /// `EXT4_IOC_SHUTDOWN` with `EXT4_GOING_FLAGS_NOLOGFLUSH`: nothing more is written, not even the journal.
    const POWER_CUT: &str =
        "open(my $disk, '<', $ARGV[0]) or die; my $how = pack('L', 2); ioctl($disk, 0x8004587D, $how) or die $!";
    let bytes = zip(&[("pg/bin/postgres", 0o755), ("pg/lib/a/one.so", 0o644), ("pg/lib/b/two.so", 0o644)]);
    let server = Server::of(bytes.clone());
    let place = Place::new(&bytes, &server.url());
    let (disk, image) = (place.base().join("cache"), place.base().join("image"));
    std::fs::create_dir(&disk).unwrap();
    std::fs::File::create(&image).unwrap().set_len(16 << 20).unwrap();
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c"]);
    command.arg(
        "disk=$1 image=$2 cut=$3; shift 3\n\
         mkfs.ext4 -q -F \"$image\" && mount -o loop \"$image\" \"$disk\" && command -v perl || exit 77\n\
         \"$@\" && perl -e \"$cut\" \"$disk\" || exit 78\n\
         umount \"$disk\" && mount -o loop \"$image\" \"$disk\" || exit 79\n\
         find \"$disk\" -type f -path '*/pg/*' -printf 'there: %P %s %m\\n'; umount \"$disk\"",
    );
    let run = place.command();
    command.arg("sh").args([&disk, &image]).arg(POWER_CUT).arg(run.get_program()).args(run.get_args());
    let output = command.output();
    // 1 is the end of unshare itself, for a user who isn't root.
    if !output.as_ref().is_ok_and(|output| !matches!(output.status.code(), Some(1 | 77))) {
        println!("skipped: this user can't make and mount a file system");
        return;
    }
    let output = output.unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    let mut found: Vec<_> = said.lines().filter_map(|line| line.strip_prefix("there: ")).collect();
    found.sort_unstable();
    let whole =
        ["1-abc/pg/bin/postgres 400000 755", "1-abc/pg/lib/a/one.so 400000 644", "1-abc/pg/lib/b/two.so 400000 644"];
    assert_eq!(found, whole);
}
