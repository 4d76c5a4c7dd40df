//! Builds that make what an application stands on, in CodeBuild.

use serde_json::json;

use super::{Description, On, Role, action};
use crate::{
    application::build::{Build, DATABASES},
    shell::command,
    value::words,
};

words! {
    /// What a build does about the databases of the application.
    Databases {
        /// It makes each one's cluster a member of its global cluster, from which the data comes.
        Joined = "joined",
        /// It leaves the clusters out: another step restores them, and one that stands is never restored over.
        Restored = "restored",
    }
}

action! {
    /// Runs a build that the application declares, once, and waits for its end.
    RunBuild = "run-build", Named, on: &[], needs_active: false, global: false,
    with {
        /// What it is called in the application's file.
        build: String,
        /// The side that it builds, in whose region its project runs.
        at: Role,
        /// What it does about the databases, which it reads from `MUSTER_DATABASES`; that is not set without it.
        databases: Option<Databases>,
    }
    gives {
        /// The identifier of the build.
        build: String,
        /// How long it took, as CodeBuild says.
        took: crate::value::Span,
    }
}

impl RunBuild {
    /// The build, if the application declares it.
    pub fn find<'a>(&self, on: &On<'a>) -> Option<&'a Build> {
        on.application.build(&self.build)
    }

    /// What its environment gets, by name.
    pub fn variables(&self, on: &On<'_>, build: &Build) -> Vec<(String, String)> {
        let databases = self.databases.map(|word| (DATABASES.to_owned(), word.to_string()));
        build.variables_for(on.region(self.at), on.token).into_iter().chain(databases).collect()
    }

    pub(super) fn describe(&self, on: &On<'_>) -> Description {
        let region = on.region(self.at);
        let found = self.find(on).and_then(|build| Some((build, build.project(region)?)));
        let Some((build, project)) = found else {
            let none = format!("codebuild {region}: no build is called {}", self.build);
            return Description { effect: vec![none], ..Description::default() };
        };
        let variables = self.variables(on, build);
        let shown: Vec<String> =
            variables.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let given: Vec<_> = variables
            .iter()
            .map(|(name, value)| json!({ "name": name, "value": value, "type": "PLAINTEXT" }))
            .collect();
        Description {
            effect: vec![format!(
                "codebuild {region}: StartBuild {project} with {}",
                shown.join(", ")
            )],
            by_hand: vec![
                command!(
                    "aws codebuild start-build --region {} --project-name {} --idempotency-token {} \
                     --environment-variables-override {}",
                    region,
                    project,
                    on.token,
                    json!(given)
                ),
                command!(
                    "aws codebuild list-builds-for-project --region {} --project-name {}",
                    region,
                    project
                ),
            ],
            permissions: [
                "codebuild:StartBuild",
                "codebuild:ListBuildsForProject",
                "codebuild:BatchGetBuilds",
            ]
            .map(str::to_owned)
            .to_vec(),
        }
    }
}
