//! One binary for all tests that need more than one crate.
//!
//! Where to write what: `sandbox` runs built components in the real engine; `month` runs the whole pipeline against
//! the simulator over sockets, with and without faults, `year` months of three sellers with every kind of transaction; `daemon`, `secrets`, `fusion_setup` and `outside` start the
//! real processes; `rules` reads the workspace itself; `traps` meets Amazon's traps one by one, `weather` its bad days;
//! `fusion_journals` meets Fusion's traps about journals, jobs and lost answers, `fusion_receivables` those about
//! invoices, credit memos and receipts, `fusion_refusals` its refusals class by class; `fusion_correct` and `fusion_reverse`
//! take back what was posted; `fusion_campaign` loses a third of the answers about ten thousand documents;
//! `restored` puts a copy of the database back, `restored_year` one of a year's books, `restored_postgres` a server's dump; `service` is told what a service manager is told, `setup` makes a configuration and follows the README; `developer` writes and builds a mapper outside the repository, `platform` brings components in through the real commands,
//! `versions` puts one into use; `catalog` imports
//! catalogs and resolves what waits for them, `many_daemons` shares one PostgreSQL database, `corrections` changes the
//! mapping of posted months; `audit` verifies what a run leaves behind, alters it and has it found; `api` asks a real daemon
//! over HTTP. A test that needs components says so when `cargo xtask plugins` has
//! not been run.

#![expect(clippy::print_stdout, reason = "a test prints its seed and the details of what was wrong")]

mod adjusting;
mod api;
mod audit;
mod catalog;
mod corrections;
mod daemon;
mod developer;
mod fusion_campaign;
mod fusion_correct;
mod fusion_journals;
mod fusion_receivables;
mod fusion_refusals;
mod fusion_reverse;
mod fusion_setup;
mod invoice_dates;
mod many_daemons;
mod month;
mod operator;
mod outside;
mod own_rate;
mod platform;
mod process;
mod restored;
mod restored_postgres;
mod restored_year;
mod rules;
mod sandbox;
mod secrets;
mod service;
mod setup;
mod shipments;
mod support;
mod telemetry;
mod traps;
mod versions;
mod weather;
mod year;
