//! The doors of the daemon, tried from outside: real router, real sockets, the real engine.

mod all {
    mod attacks;
    mod by_hand;
    mod commands;
    mod drill;
    mod findings;
    mod freezing;
    mod glass;
    mod holding;
    mod house;
    mod keys;
    mod lint;
    mod protection;
    mod reads;
    mod report;
    mod reported;
    mod story;
    mod views;
}
