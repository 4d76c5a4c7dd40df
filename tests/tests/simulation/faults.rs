//! Every fault by name, at several instants, in every scenario.

use jiff::SignedDuration;
use muster::world::sim::{Fault, Lost};
use muster_runbooks::value::Span;
use muster_state::command::{Command, Steer};
use muster_tests::simulation::{
    Simulation,
    cast::{SHOP, dawn, home, id, olga, standby},
    scenario::{Act, Scenario},
};

use super::{play, tell};

/// One of each name.
pub(super) fn all() -> Vec<Fault> {
    let application = SHOP.name.clone();
    let database = SHOP.databases[0].name.clone();
    let observer = SHOP.observers[2].name.clone();
    let outage = |region: fn() -> muster_runbooks::name::Region, lost| Fault::Outage {
        region: region(),
        lost,
    };
    vec![
        outage(home, Lost::Everything),
        outage(standby, Lost::Everything),
        outage(home, Lost::ControlPlane),
        outage(home, Lost::DataPlane),
        outage(home, Lost::Connections),
        Fault::GlobalControlPlane,
        Fault::Throttled { service: Some("rds"), region: None, length: Span::from_secs(90) },
        Fault::Silence { region: standby(), length: Span::from_secs(100) },
        Fault::ReplyLost { operation: None, calls: 3, applied: true },
        Fault::ReplyLost { operation: None, calls: 3, applied: false },
        Fault::StaleReads { by: Span::from_secs(120), length: Span::from_mins(10) },
        Fault::CopyStuck { length: Span::from_hours(4) },
        Fault::SnapshotFails { times: 2 },
        Fault::RestoreFails { times: 3 },
        Fault::BuildFails { times: 2 },
        Fault::HookFails { times: 2, hangs: false },
        Fault::HookFails { times: 2, hangs: true },
        Fault::NodeLost { region: home() },
        Fault::NoCapacity { length: Span::from_mins(50) },
        Fault::KeyGone { length: Span::from_mins(50) },
        Fault::CredentialsExpired { length: Span::from_mins(3) },
        Fault::ObserverLies { observer: observer.clone() },
        Fault::ObserverSilent { observer },
        Fault::FenceFails,
        Fault::ForeignFailover {
            application: application.clone(),
            database: database.clone(),
            to: standby(),
            data_loss: false,
        },
        Fault::ForeignFailover {
            application: application.clone(),
            database: database.clone(),
            to: standby(),
            data_loss: true,
        },
        Fault::FailedOverByHand { application: application.clone(), database, to: standby() },
        Fault::MarkerLost { application },
    ]
}

/// Goal: no fault breaks an invariant, and once it is over every run ends or is given up by a person.
/// Method: put every fault at five instants of every scenario, heal an hour later, look on; under
/// several seeds.
#[test]
fn every_fault_in_every_scenario() {
    let (mut histories, mut checks, mut calls) = (0, 0, 0);
    for seed in 21..=25 {
        let [more, checked, called] = every_fault_under(seed);
        (histories, checks, calls) = (histories + more, checks + checked, calls + called);
    }
    println!("{histories} histories with a fault, {calls} calls, {checks} checks");
}

fn every_fault_under(seed: u64) -> [u64; 3] {
    let (mut histories, mut checks, mut calls) = (0, 0, 0);
    for scenario in Scenario::all() {
        let mut quiet = Simulation::new(seed, scenario.clone());
        quiet.run();
        let length = quiet.now.duration_since(dawn());
        for fault in all() {
            for fifth in 0..5 {
                let at = length * fifth / 5;
                let heal = at + SignedDuration::from_mins(61);
                let disturbed =
                    scenario.clone().and(at, Act::Inject(fault.clone())).and(heal, Act::HealAll);
                let mut simulation = Simulation::new(seed, disturbed.clone());
                simulation.run();
                if simulation.watch.has_failed() {
                    tell(seed, &disturbed, None, &format!("{} at {at:#}", fault.name()));
                }
                histories += 1;
                checks += simulation.figures.checks;
                calls += simulation.figures.calls;
            }
        }
    }
    [histories, checks, calls]
}

/// Goal: what was sent in vain before a run was forced is not sent again before somebody approved that.
/// Method: the restart of the clients never arrives; the run is forced at every other second around that, and
/// people take a minute to decide.
#[test]
fn nothing_is_sent_again_on_an_approval_that_is_gone() {
    let mut forced = 0;
    for secs in (122..330).step_by(2) {
        let secs = SignedDuration::from_secs(secs);
        let operation = Some("PATCH deployments");
        let lost = Fault::ReplyLost { operation, calls: 1, applied: false };
        let said = Command::Steer {
            run: id('f', 1),
            by: olga(),
            reason: "no time".to_owned(),
            steer: Steer::Force,
        };
        let mut scenario = Scenario::graceful()
            .and(SignedDuration::from_secs(121), Act::Inject(lost))
            .and(secs, Act::Say(Box::new(said)));
        scenario.manners.thinks = SignedDuration::from_mins(1);
        let simulation = play(3, &scenario);
        forced += usize::from(simulation.watch.approvals > 1);
    }
    assert!(forced > 20, "{forced} were asked about again");
}
