use super::*;

#[test]
fn the_newest_version_is_chosen_by_number() {
    let check = |versions: &[&str], wanted| {
        let versions = versions.iter().map(ToString::to_string);
        assert_eq!(newest(versions).as_deref(), wanted);
    };
    check(&[], None);
    check(&["15"], Some("15"));
    check(&["9.6", "15", "13"], Some("15"));
    check(&["9.6", "9.10", "9.5"], Some("9.10"));
    check(&["common", "15", "16rc1"], Some("15"));
}

/// The command line, as someone who wants to try it would type it.
fn check(account: Account, command: fn(&Cluster) -> Command, wanted: &str) {
    let cluster = Cluster {
        programs: "/pg/bin".into(),
        account,
        directory: "/cluster".into(),
        _elsewhere: None,
        _lock: tempfile::tempfile().unwrap(),
    };
    let mut command = command(&cluster);
    for (name, _) in env::vars_os() {
        command.env_remove(name);
    }
    assert_eq!(process::shown(&command), wanted);
}

#[test]
fn root_runs_nothing_as_root() {
    let user = "setpriv --reuid 104 --regid postgres --init-groups --pdeathsig INT --";
    let check =
        |command, wanted: &str| check(Account::Postgres(104), command, &format!("{user} {wanted}"));
    check(
        Cluster::initdb,
        "/pg/bin/initdb --pgdata /cluster/data --username=postgres --auth=trust --encoding=UTF8 \
         --locale=C.UTF-8 --no-sync",
    );
    check(
        |cluster| cluster.server(5433),
        "/pg/bin/postgres -D /cluster/data -c listen_addresses=127.0.0.1 -c port=5433 \
         -c unix_socket_directories= -c fsync=off",
    );
    check(
        Cluster::stop,
        "/pg/bin/pg_ctl stop --pgdata /cluster/data --mode=fast --wait --timeout=30 --silent",
    );
}

#[test]
fn others_run_it_as_themselves() {
    check(
        Account::Ourselves,
        Cluster::stop,
        "setpriv --pdeathsig INT -- /pg/bin/pg_ctl stop --pgdata /cluster/data --mode=fast --wait \
         --timeout=30 --silent",
    );
}

#[test]
fn settings_of_a_persons_own_servers_do_not_reach_this_one() {
    for (name, setting) in [("PGDATA", true), ("PGPORT", true), ("PATH", false), ("SSHPG", false)] {
        assert_eq!(is_setting(name.as_ref()), setting, "{name}");
    }
}
