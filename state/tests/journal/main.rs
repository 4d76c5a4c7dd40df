//! The journal against crashes, damage, and its own twin in memory.

mod damage;
mod disk;
mod fixture;
mod memory;
mod offline;
mod parts;
mod power;
mod process;
mod support;
mod writing;
