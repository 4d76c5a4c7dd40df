//! Each trouble, and what is found of it: what is changed in a scene in which all is well, the ids of the
//! findings, and what the messages say.

use super::*;

/// What goes wrong.
type Change = fn(&mut Scene);

pub(super) const TABLE: &[(&str, Change, &[&str], &str)] = &[
    ("all is well", |_| {}, &[], ""),
    (
        "one of ours that nobody wrote down",
        |scene| {
            let stray = seen(EAST, 'x', "2026-03-01T02:00:00Z");
            scene.points_in(EAST).insert(stray.id.clone(), stray);
        },
        &["uncatalogued/orders/us-east-1"],
        "muster-x00000000000-snapshot-1` exist in us-east-1",
    ),
    (
        "one that a run is just making",
        |scene| {
            let mut fresh = seen(EAST, 'x', "2026-03-01T02:00:00Z");
            fresh.status = "creating".to_owned();
            scene.points_in(EAST).insert(fresh.id.clone(), fresh);
            scene.open_runs.insert("x00000000000".to_owned());
        },
        &[],
        "",
    ),
    (
        "a stranger's",
        |scene| {
            let mut other = seen(EAST, 'x', "2026-03-01T02:00:00Z");
            other.maker = Maker::Somebody;
            scene.points_in(EAST).insert(other.id.clone(), other);
        },
        &[],
        "",
    ),
    (
        "a copy that somebody deleted",
        |scene| scene.points_in(WEST).clear(),
        &["missing-point/orders/us-west-2", "unprotected/orders/us-west-2"],
        "gone in us-west-2",
    ),
    (
        "one that was recorded while the lists were read",
        |scene| {
            let late = point("orders", &seen(EAST, 'x', "2026-03-02T02:00:00Z"));
            scene.points.insert(late.id.clone(), late);
        },
        &[],
        "",
    ),
    (
        "a deletion of ours whose answer was lost",
        |scene| {
            let mut old = point("orders", &seen(EAST, 'x', "2026-02-01T02:00:00Z"));
            old.marked_at = Some(at(NOW));
            scene.before.insert(old.id.clone());
            scene.points.insert(old.id.clone(), old);
        },
        &[],
        "",
    ),
    (
        "last night's copy did not come",
        |scene| scene.due.copy = Some(at("2026-03-02T03:00:00Z")),
        &["unprotected/orders/us-west-2"],
        "unprotected in us-west-2 since 2026-03-02T02:00:10Z",
    ),
    (
        "a copy that is not there yet protects nobody",
        |scene| {
            for one in scene.points_in(WEST).values_mut() {
                one.status = "copying".to_owned();
            }
        },
        &["unprotected/orders/us-west-2"],
        "no recovery point in us-west-2 that could be restored",
    ),
    (
        "after a failover the sides have changed: the copy is due at home",
        |scene| {
            scene.active = Some(region(WEST));
            scene.due.copy = Some(at("2026-03-02T03:00:00Z"));
            let restorable = Some((at(NOW), at(NOW)));
            let Ok(Some(west)) = &mut scene.database(WEST).cluster else { unreachable!() };
            west.restorable = restorable;
            let saved = seen(WEST, 'd', "2026-03-02T02:00:10Z");
            scene.cache(WEST).points = list(&[&saved]);
            let saved = point("sessions", &saved);
            scene.points.insert(saved.id.clone(), saved);
        },
        &["unprotected/orders/us-east-1"],
        "since 2026-03-02T02:00:10Z",
    ),
    (
        "no restore to an instant",
        |scene| {
            let Ok(Some(east)) = &mut scene.database(EAST).cluster else { unreachable!() };
            east.restorable = None;
        },
        &["no-pitr/orders/us-east-1"],
        "cannot be restored to an instant",
    ),
    (
        "the engine backs up when Muster does",
        |scene| {
            let Ok(Some(east)) = &mut scene.database(EAST).cluster else { unreachable!() };
            east.backup_window = Some("01:45-02:15".parse().unwrap());
            east.maintenance_window = Some("sun:03:00-sun:04:00".parse().unwrap());
        },
        &["engine-window-backup/orders/us-east-1"],
        "`01:45-02:15`: `nightly` meets it, such as at ",
    ),
    (
        "the file says another window than AWS, where nothing is snapshot",
        |scene| {
            let database = &mut scene.application.databases[0];
            database.engine_maintenance_window = Some("sun:03:00-sun:04:00".parse().unwrap());
            let Ok(Some(west)) = &mut scene.database(WEST).cluster else { unreachable!() };
            west.maintenance_window = Some("mon:01:45-mon:02:15".parse().unwrap());
        },
        &["engine-window-maintenance/orders/us-west-2"],
        "is `mon:01:45-mon:02:15`: the file says `sun:03:00-sun:04:00`",
    ),
    (
        "the nightly snapshot of the cache is missing",
        |scene| scene.due.cache = Some(at("2026-03-02T03:00:00Z")),
        &["unprotected/sessions/us-east-1"],
        "`sessions` is unprotected",
    ),
    (
        "a cache that is gone",
        |scene| scene.cache(WEST).group = Ok(None),
        &["cache-member/sessions"],
        "there is no replication group in us-west-2",
    ),
    (
        "a cache that is being deleted",
        |scene| {
            let Ok(Some(group)) = &mut scene.cache(EAST).group else { unreachable!() };
            group.status = "deleting".to_owned();
        },
        &["cache-member/sessions"],
        "it is deleting in us-east-1",
    ),
    (
        "a cache that is being saved serves on",
        |scene| {
            let Ok(Some(group)) = &mut scene.cache(EAST).group else { unreachable!() };
            group.status = "snapshotting".to_owned();
        },
        &[],
        "",
    ),
    (
        "a cache whose primary is on the other side",
        |scene| {
            let global = |role: &str| Some(("global".to_owned(), role.to_owned()));
            let Ok(Some(group)) = &mut scene.cache(EAST).group else { unreachable!() };
            group.global = global("SECONDARY");
            let Ok(Some(group)) = &mut scene.cache(WEST).group else { unreachable!() };
            group.global = global("PRIMARY");
        },
        &["cache-member/sessions"],
        "it is SECONDARY of `global` in us-east-1; it is PRIMARY",
    ),
    (
        "a cache that is no member of the datastore that a failover would promote",
        |scene| {
            scene.application.caches[0].global = Some("ldgnf-shop".to_owned());
            let global = |id: &str, role: &str| Some((id.to_owned(), role.to_owned()));
            let Ok(Some(group)) = &mut scene.cache(EAST).group else { unreachable!() };
            group.global = global("ldgnf-shop", "PRIMARY");
        },
        &["cache-member/sessions"],
        "in us-west-2 it is a member of none, not of `ldgnf-shop`",
    ),
    (
        "a cache that nobody promotes by itself",
        |scene| {
            let group = scene.group(EAST);
            (group.promotes, group.multi_az) = (Some(false), Some(false));
        },
        &["cache-zones/sessions/us-east-1"],
        "by itself: automatic failover is off, Multi-AZ is off",
    ),
    (
        "a cache whose replicas are beside its primary",
        |scene| {
            let group = scene.group(WEST);
            (group.multi_az, group.shards[0].zones) = (Some(false), shard("", &["2a", "2a"]).zones);
        },
        &["cache-zones/sessions/us-west-2"],
        "Multi-AZ is off, shard 0001 has no replica in another zone than its primary",
    ),
    (
        "a cache of which one shard has no replica",
        |scene| scene.group(EAST).shards.push(shard("0002", &["1a"])),
        &["cache-zones/sessions/us-east-1"],
        "shard 0002 has no replica",
    ),
    (
        "no versions",
        |scene| {
            scene.seen.buckets.get_mut(&place("files", WEST)).unwrap().versioned = Ok(false);
        },
        &["not-versioned/files/us-west-2"],
        "keeps no versions",
    ),
    (
        "no rule, or one that leads elsewhere",
        |scene| {
            let bucket = scene.seen.buckets.get_mut(&place("files", EAST)).unwrap();
            bucket.replicates_to = Ok(vec!["elsewhere".to_owned()]);
        },
        &["not-replicated/files/us-east-1"],
        "no rule that is enabled copies `files` from us-east-1 to `files-west`",
    ),
    (
        "no way back",
        |scene| {
            let bucket = scene.seen.buckets.get_mut(&place("files", WEST)).unwrap();
            bucket.replicates_to = Ok(Vec::new());
        },
        &["not-replicated/files/us-west-2"],
        "copies `files` back from us-west-2",
    ),
    (
        "a secret whose replica failed",
        |scene| {
            let Ok(Some(secret)) = scene.seen.secrets.get_mut(&place("password", EAST)).unwrap()
            else {
                unreachable!()
            };
            let failed = ("Failed".to_owned(), "name taken".to_owned());
            secret.replicas.insert(WEST.to_owned(), failed);
        },
        &["secret-not-in-sync/password"],
        "its replica in us-west-2 is Failed (name taken)",
    ),
    (
        "a secret without a replica",
        |scene| {
            scene.seen.secrets.insert(place("password", WEST), Ok(None));
        },
        &["secret-not-in-sync/password"],
        "there is none in us-west-2",
    ),
    (
        "an object that is missing",
        |scene| {
            let objects = scene.seen.objects.get_mut(&place("state", WEST)).unwrap();
            objects.insert("a".to_owned(), Ok(None));
        },
        &["object-missing/state"],
        "missing: `a` in us-west-2",
    ),
    (
        "an object that is another",
        |scene| {
            let objects = scene.seen.objects.get_mut(&place("state", WEST)).unwrap();
            objects.insert("a".to_owned(), object(2));
        },
        &["object-differs/state"],
        "not the same on both sides: `a`",
    ),
    (
        "four fifths of a quota",
        |scene| {
            scene.seen.quotas.insert(region(WEST), Ok(Quota { used: 80, max: 100 }));
        },
        &["snapshot-quota/us-west-2"],
        "us-west-2 has 80 of 100 manual cluster snapshots; 20 places are free",
    ),
    (
        "pods that stay on a lost node for as long as Kubernetes leaves them",
        |scene| {
            scene.workload(WEST, [("deployment/web", Stay::For(Span::from_secs(121)), 2)]);
        },
        &["stays-on-lost-node/web/us-west-2"],
        "`web` stay on a node that is lost in us-west-2 for more than 2m before others start: \
         deployment/web 2m 1s",
    ),
    (
        "pods that were told to bear a lost node",
        |scene| scene.workload(EAST, [("deployment/web", Stay::Forever, 1)]),
        &["stays-on-lost-node/web/us-east-1"],
        "deployment/web for ever",
    ),
    (
        "pods that go in time, of which none is wanted, and whose volume a person looks after",
        |scene| {
            scene.workload(
                EAST,
                [
                    ("deployment/web", Stay::For(Span::from_mins(2)), 2),
                    ("deployment/idle", Stay::Forever, 0),
                    ("statefulset/queue", Stay::UntilProven, 3),
                ],
            );
        },
        &[],
        "",
    ),
];
