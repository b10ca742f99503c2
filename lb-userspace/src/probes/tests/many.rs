//! Many targets at once: timers, tasks, cost.

use super::*;

fn key(address: SocketAddr) -> TargetKey {
    TargetKey { group: GroupName::parse("web").unwrap(), address: target(address) }
}

#[tokio::test]
async fn a_slow_target_delays_nobody_and_is_never_asked_twice_at_once() {
    static AT_ONCE: AtomicUsize = AtomicUsize::new(0);
    let slow = server(|mut stream| async move {
        assert_eq!(AT_ONCE.fetch_add(1, Ordering::SeqCst), 0);
        // Until the check gives up.
        while matches!(stream.read(&mut [0; 1024]).await, Ok(1..)) {}
        AT_ONCE.fetch_sub(1, Ordering::SeqCst);
    })
    .await;
    let quick = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let quick_address = quick.local_addr().unwrap();
    let (sender, mut events) = mpsc::channel(64);
    let mut probes = Probes::new(sender);
    let started = Instant::now();
    probes.set([(key(slow), check(http())), (key(quick_address), check(CheckKind::Tcp))].into());

    let (mut slow_ends, mut quick_ends) = (Vec::new(), 0);
    while slow_ends.len() < 4 {
        let Some(Event::Probed { target, outcome, took }) = events.recv().await else { panic!() };
        if target == key(slow) {
            assert_eq!(outcome, Outcome::TimedOut);
            assert!((TIMEOUT..TIMEOUT + SLACK).contains(&took), "{took:?}");
            slow_ends.push(started.elapsed());
        } else {
            assert_eq!(outcome, Outcome::Passed);
            quick_ends += 1;
        }
    }
    // One timeout after the other, with no pause, since the interval is shorter.
    for pair in slow_ends.windows(2) {
        assert!(pair[1] - pair[0] < TIMEOUT + SLACK, "{slow_ends:?}");
    }
    assert!(quick_ends >= 9, "{quick_ends} checks of the quick one in {:?}", started.elapsed());
}

#[tokio::test]
async fn set_stops_what_is_gone_and_leaves_the_rest_alone() {
    let first = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let second = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let (first, second) = (key(first.local_addr().unwrap()), key(second.local_addr().unwrap()));
    let (sender, _events) = mpsc::channel(64);
    let mut probes = Probes::new(sender);
    let tcp = check(CheckKind::Tcp);
    probes.set([(first.clone(), tcp.clone()), (second.clone(), tcp.clone())].into());
    let task = |probes: &Probes, target| probes.running[target].task.clone();
    let (first_task, second_task) = (task(&probes, &first), task(&probes, &second));

    probes.set([(first.clone(), tcp.clone())].into());
    assert_eq!(probes.running.len(), 1);
    assert_eq!(task(&probes, &first).id(), first_task.id());
    ended(&second_task).await;

    probes.set([(first.clone(), tcp.clone()), (second.clone(), tcp.clone())].into());
    assert_eq!(task(&probes, &first).id(), first_task.id());
    assert_ne!(task(&probes, &second).id(), second_task.id());

    probes.set([(first.clone(), HealthCheck { timeout: TIMEOUT / 2, ..tcp })].into());
    ended(&first_task).await;
    let last = task(&probes, &first);
    assert!(!last.is_finished());
    drop(probes);
    ended(&last).await;
}

async fn ended(task: &AbortHandle) {
    while !task.is_finished() {
        tokio::task::yield_now().await;
    }
}

/// What ten thousand targets cost: prints the time that this one thread, checks and server
/// together, was on a processor in ten seconds.
#[tokio::test]
#[ignore = "a measurement of 20 s; run it in release mode by its name"]
async fn cost_of_ten_thousand_targets() {
    fn on_processor() -> Duration {
        let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
        Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
    }
    let (sender, mut events) = mpsc::channel(1024);
    let serve = |stream| answer(stream, b"HTTP/1.1 200 OK\r\n\r\n");
    for kind in [CheckKind::Tcp, http()] {
        let port = server_on(Ipv4Addr::UNSPECIFIED, serve).await.port();
        let interval = Duration::from_secs(5);
        let check = HealthCheck { interval, timeout: interval, ..check(kind.clone()) };
        let wanted = (0..10_000_u32).map(|number| {
            let address = IpAddr::from(Ipv4Addr::from(0x7f01_0000 + number));
            (key(SocketAddr::new(address, port)), check.clone())
        });
        let mut probes = Probes::new(sender.clone());
        probes.set(wanted.collect());
        let (from, started, mut done) = (on_processor(), Instant::now(), 0);
        while started.elapsed() < Duration::from_secs(10) {
            events.recv().await;
            done += 1;
        }
        let each = (on_processor() - from) / done;
        println!("{kind:?}: {done} checks, {each:?} on the processor each, server included");
    }
}
