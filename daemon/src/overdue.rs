//! Looks once a minute at what the clock promised, and writes down what has not happened: a dead
//! man's switch on what is durable, that no failed run, pause or off switch keeps quiet.

use jiff::SignedDuration;
use muster_runbooks::application::Application;
use muster_state::{
    command::Command,
    overdue::{self, Backup},
};
use tracing::warn;

use crate::{intake::Intake, perform::Health};

/// How often everything is held against the clock.
const LOOK_EVERY: SignedDuration = SignedDuration::from_secs(60);

/// Looks until the future is dropped.
pub async fn watch(intake: Intake) {
    loop {
        let applications = match intake.health() {
            // Whether it has happened, only the journal of the process that acts can tell.
            Health::StandingBy { .. } => None,
            Health::Starting | Health::Ready | Health::ReadOnly { .. } | Health::Stopping => {
                Some(intake.applications().values())
            }
        };
        for application in applications.into_iter().flatten() {
            look(&intake, application).await;
        }
        intake.clock().sleep(LOOK_EVERY).await;
    }
}

async fn look(intake: &Intake, application: &Application) {
    let now = intake.clock().now();
    let changes = intake.known(|known| {
        overdue::changes(intake.schedules(), intake.library(), application, known, now)
    });
    for finding in changes {
        if let Ok(finding) = &finding {
            warn!(application = %application.name, finding = finding.id, "{}", finding.message);
        }
        let command = Command::Finding { application: application.name.clone(), finding };
        if let Err(error) = intake.command(command).await {
            warn!(application = %application.name, %error, "what is overdue could not be written down; in a minute again");
            return;
        }
    }
}

/// The backups of an application as they stand now.
pub fn backups(intake: &Intake, application: &Application) -> Vec<Backup> {
    let now = intake.clock().now();
    intake.known(|known| {
        overdue::backups(intake.schedules(), intake.library(), application, known, now)
    })
}
