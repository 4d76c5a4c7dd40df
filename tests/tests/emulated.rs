//! The real world against an emulated AWS: two regions, one clock, faults on the wire.

mod admission;
mod backups;
mod cache_nodes;
mod datastores;
mod expiry;
mod inventory;
mod nodes;
mod objects;
mod paging;
mod permissions;
mod promotion;
mod rebuild;
mod restore;
mod restoring;
mod second;
mod side;
mod traffic;
mod vault;
mod workers;
mod workloads;
mod write_lease;

/// Starts the world of a test, or ends the test with a skip that is written down.
macro_rules! world {
    () => {
        match muster_tests::emulator::Emulator::start() {
            Some(world) => world,
            None => return,
        }
    };
}
use world;
