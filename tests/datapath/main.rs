//! The real object in the real kernel, packet by packet, by program test runs.
//!
//! A [`lab::Lab`] holds the loaded program; a [`packet::Packet`] is put together field by field, both what
//! goes in and what must come out. No test shares code with the program but the keyed hash and the layouts.
#![cfg(test)]

mod differential;
mod encapsulation;
mod headers;
mod l2;
mod lab;
mod link;
mod listeners;
mod model;
mod nat;
mod packet;
mod ranges;
mod redirect;
mod steering;
mod sweep;
mod too_big;
mod tracking;
mod truncation;
mod unwrapping;
mod verdicts;
mod verifier;
