//! Tests of the commands on real servers. They are one binary, because linking a binary for each subject would take
//! longer than running the tests.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../support/mod.rs"]
mod support;

mod addresses;
mod broken_wire;
mod ci;
mod cluster_files;
mod completions;
mod compose;
mod compose_failures;
mod concurrency;
mod db_reset;
mod db_shell;
mod db_snapshot;
mod db_status;
mod db_status_servers;
mod db_switch;
mod deletions;
mod devcontainer;
mod docker_recordings;
mod doctor;
mod env_file;
mod examples;
mod exchange_interrupted;
mod fetched;
mod half_applied;
mod history;
mod hooks;
mod hooks_databases;
mod interruption;
mod ladder;
mod leftovers;
mod local;
mod migrate;
mod migrate_down;
mod migrate_interrupted;
mod migrate_redo;
mod migration_files;
mod migrations;
mod output;
mod ownership;
mod picture;
mod privileges;
mod problems;
mod refused_login;
mod remains;
mod remove_data;
mod setup;
mod setup_lock;
mod snapshots;
mod sqlx;
mod stamp;
mod support_itself;
mod texts;
mod unfit_servers;
mod urls;
mod users;
