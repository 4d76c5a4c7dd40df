//! What is played, by name.

use std::collections::BTreeMap;

use muster::world::sim::{Fault, Lost};
use muster_runbooks::{
    name::{Region, RunId},
    request::{Manner, Mode},
};
use serde_json::Value;

use super::{Act, Scenario, Start, hours, secs};
use crate::simulation::cast::{SHOP, crowd, dawn, home, id, standby};

fn live(runbook: &'static str, id: RunId, manner: Manner) -> Act {
    Act::Start(Start {
        runbook,
        id,
        manner,
        mode: Mode::Live,
        due_at: None,
        inputs: BTreeMap::new(),
    })
}

fn down(region: Region) -> Act {
    Act::Inject(Fault::Outage { region, lost: Lost::Everything })
}

fn gone(region: Region) -> Act {
    Act::Inject(Fault::EnvironmentLost { application: SHOP.name.clone(), region })
}

impl Scenario {
    /// One night's backup.
    pub fn daily_backup() -> Scenario {
        let start = live("daily-backup", id('b', 1), Manner::Graceful);
        Scenario::new("daily-backup", vec![(secs(5), start)])
    }

    /// A backup, and once its copy has arrived a restore test of it.
    pub fn restore_test() -> Scenario {
        let backup = live("daily-backup", id('b', 1), Manner::Graceful);
        let test = live("restore-test", id('t', 1), Manner::Graceful);
        Scenario::new("restore-test", vec![(secs(5), backup), (hours(3), test)])
    }

    /// The rehearsal, with its gate.
    pub fn rehearsal() -> Scenario {
        let start = live("rehearsal", id('r', 1), Manner::Graceful);
        Scenario::new("rehearsal", vec![(secs(5), start)])
    }

    /// The buckets compared a while after a canary was written.
    pub fn bucket_comparison() -> Scenario {
        let check = live("replication-check", id('c', 1), Manner::Graceful);
        let compare = live("bucket-comparison", id('b', 1), Manner::Graceful);
        Scenario::new("bucket-comparison", vec![(secs(5), check), (secs(400), compare)])
    }

    /// The check that writes a canary.
    pub fn replication_check() -> Scenario {
        let start = live("replication-check", id('c', 1), Manner::Graceful);
        Scenario::new("replication-check", vec![(secs(5), start)])
    }

    /// A backup each night and an expiry after it, for nine nights: three days are kept.
    pub fn expire() -> Scenario {
        Scenario::nights(9, 9)
    }

    /// The same, short enough to be cut off everywhere.
    pub fn short_expiry() -> Scenario {
        Scenario::nights(6, 6)
    }

    /// Backups stop, expiries go on.
    pub fn drought() -> Scenario {
        Scenario { horizon: hours(24 * 16), ..Scenario::nights(5, 13) }
    }

    fn nights(backups: i64, nights: i64) -> Scenario {
        let mut script = Vec::new();
        for night in 0..nights {
            let due_at = dawn() + hours(24 * night + 1);
            for (runbook, letter, later) in
                [("daily-backup", 'b', 0), ("expire-recovery-points", 'e', 20)]
            {
                // A little later each night, so that a mark is a day old beyond doubt.
                let at = hours(24 * night + 1 + later) + secs(600 * night);
                if letter == 'b' && night >= backups {
                    continue;
                }
                let start = Start {
                    runbook,
                    id: id(letter, night as u64 + 1),
                    manner: Manner::Graceful,
                    mode: Mode::Live,
                    due_at: Some(due_at + hours(later) + secs(600 * night)),
                    inputs: BTreeMap::new(),
                };
                script.push((at, Act::Start(start.clone())));
                // The bell rings twice.
                script.push((at + secs(2), Act::Start(start)));
            }
        }
        Scenario { horizon: hours(24 * 12), ..Scenario::new("expire", script) }
    }

    /// A planned move while both sides are well.
    pub fn graceful() -> Scenario {
        let start = live("region-failover", id('f', 1), Manner::Graceful);
        Scenario::new("graceful", vec![(secs(120), start)])
    }

    /// The same for an application of one database and one name.
    pub fn lean() -> Scenario {
        Scenario { name: "lean", applications: crowd(1).into(), ..Scenario::graceful() }
    }

    /// The active region is gone, and with it every global control plane.
    pub fn forced() -> Scenario {
        let start = live("region-failover", id('f', 1), Manner::Forced);
        Scenario::new(
            "forced",
            vec![
                (secs(120), down(home())),
                (secs(121), Act::Inject(Fault::GlobalControlPlane)),
                (secs(300), start),
            ],
        )
    }

    /// A graceful move is turned into a forced one, because the region dies in the middle of it.
    pub fn dies_in_the_middle(after: i64) -> Scenario {
        let start = live("region-failover", id('f', 1), Manner::Graceful);
        Scenario::new(
            "dies-in-the-middle",
            vec![(secs(120), start), (secs(120 + after), down(home()))],
        )
    }

    /// Away, and back home in calm.
    pub fn failback() -> Scenario {
        let away = live("region-failover", id('f', 1), Manner::Forced);
        let back = live("region-failback", id('k', 1), Manner::Graceful);
        Scenario::new(
            "failback",
            vec![
                (secs(120), down(home())),
                (secs(300), away),
                (hours(3), Act::HealAll),
                (hours(5), back),
            ],
        )
    }

    /// What stood at the standby is gone, and built anew while users stay where they are.
    pub fn rebuild() -> Scenario {
        let backup = live("daily-backup", id('b', 1), Manner::Graceful);
        let start = live("environment-rebuild", id('u', 1), Manner::Graceful);
        Scenario::new(
            "rebuild",
            vec![(secs(5), backup), (hours(3), gone(standby())), (hours(3) + secs(180), start)],
        )
    }

    /// Everything is gone, and the region that was active with it; the recovery points at the standby are left.
    pub fn rebuild_of_all() -> Scenario {
        let backup = live("daily-backup", id('b', 1), Manner::Graceful);
        let start = live("environment-rebuild", id('u', 1), Manner::Forced);
        Scenario::new(
            "rebuild-of-all",
            vec![
                (secs(5), backup),
                (hours(3), down(home())),
                (hours(3), gone(home())),
                (hours(3), gone(standby())),
                (hours(3) + secs(180), start),
                // What still waited for the region then can end; what was lost with its environment stays so.
                (hours(6), Act::Heal(home())),
            ],
        )
    }

    /// A node is lost where the application is served. Whoever asks comes before it counts as lost.
    pub fn node_loss() -> Scenario {
        let lost = Act::Inject(Fault::NodeLost { region: home() });
        let start = live("node-loss", id('n', 1), Manner::Graceful);
        Scenario::new("node-loss", vec![(secs(120), lost), (secs(140), start)])
    }

    /// The cache's primary moves to another node of its region, which is what automatic failover would do.
    pub fn cache_practice() -> Scenario {
        Scenario::cache("cache-practice", [("practice".to_owned(), Value::Bool(true))].into())
    }

    /// The same in earnest: nothing that is promoted by itself is promoted so.
    pub fn cache_failover() -> Scenario {
        Scenario::cache("cache-failover", BTreeMap::new())
    }

    fn cache(name: &'static str, inputs: BTreeMap<String, Value>) -> Scenario {
        let start = Act::Start(Start {
            runbook: "cache-failover",
            id: id('n', 1),
            manner: Manner::Graceful,
            mode: Mode::Live,
            due_at: None,
            inputs,
        });
        Scenario::new(name, vec![(secs(120), start)])
    }

    /// An hour in which nobody asks for anything, and those who watch are asked.
    pub fn watched() -> Scenario {
        // It is over when the script is, so its last line is what everything waits for.
        let quiet = Scenario::new("watched", vec![(hours(1), Act::HealAll)]);
        Scenario { is_watched: true, ..quiet }
    }

    /// A drill of the failover beside a check that acts.
    pub fn drill() -> Scenario {
        let drill = Act::Start(Start {
            runbook: "region-failover",
            id: id('d', 1),
            manner: Manner::Graceful,
            mode: Mode::Drill,
            due_at: None,
            inputs: BTreeMap::new(),
        });
        let check = live("replication-check", id('c', 1), Manner::Graceful);
        Scenario::new("drill", vec![(secs(120), drill), (secs(121), check)])
    }

    /// A backup, and once its copy has arrived the drill of the quarter, in which users are really moved.
    pub fn quarterly() -> Scenario {
        let backup = live("daily-backup", id('b', 1), Manner::Graceful);
        let drill = Act::Start(Start {
            runbook: "quarterly-drill",
            id: id('q', 1),
            manner: Manner::Graceful,
            mode: Mode::Live,
            due_at: None,
            inputs: [("switchover".to_owned(), Value::Bool(true))].into(),
        });
        Scenario::new("quarterly-drill", vec![(secs(5), backup), (hours(3), drill)])
    }

    /// A region is lost with so many applications in it, which all leave.
    pub fn evacuation(count: usize) -> Scenario {
        let leave = Act::Leave(Start {
            runbook: "region-evacuation",
            id: id('v', 1),
            manner: Manner::Forced,
            mode: Mode::Live,
            due_at: None,
            inputs: [("region".to_owned(), Value::String(home().to_string()))].into(),
        });
        let script = vec![(secs(120), down(home())), (secs(300), leave)];
        Scenario { applications: crowd(count).into(), ..Scenario::new("evacuation", script) }
    }

    /// The same region, left by so many that come after nobody, all at once, in a world where everything
    /// takes as long as it takes on average.
    pub fn stampede(count: usize) -> Scenario {
        let mut applications = crowd(count);
        for one in &mut applications {
            one.recovery.priority = 1;
            one.recovery.after.clear();
        }
        let applications = applications.into();
        let mut stampede = Scenario {
            name: "stampede",
            applications,
            is_steady: true,
            ..Scenario::evacuation(count)
        };
        if let Some((_, Act::Leave(start))) = stampede.script.last_mut() {
            start.inputs.insert("at_once".to_owned(), Value::from(count));
        }
        stampede
    }

    /// Every scenario that must end well without anybody's fault.
    pub fn all() -> Vec<Scenario> {
        vec![
            Scenario::rehearsal(),
            Scenario::replication_check(),
            Scenario::bucket_comparison(),
            Scenario::daily_backup(),
            Scenario::restore_test(),
            Scenario::graceful(),
            Scenario::forced(),
            Scenario::dies_in_the_middle(95),
            Scenario::failback(),
            Scenario::node_loss(),
            Scenario::rebuild(),
            Scenario::rebuild_of_all(),
            Scenario::drill(),
        ]
    }

    /// The side that the failover leads to.
    pub fn target() -> Region {
        standby()
    }
}
