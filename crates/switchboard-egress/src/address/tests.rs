use std::net::{IpAddr, Ipv4Addr};

use super::{embedded, kind};

/// Lines of `address -> Kind`.
#[track_caller]
fn check(table: &str) {
    for line in table.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (address, expected) = line.split_once(" -> ").unwrap();
        let address: IpAddr = address.trim().parse().unwrap();
        assert_eq!(format!("{:?}", kind(address)), expected, "{address}");
    }
}

#[test]
fn ipv4() {
    check(
        "0.0.0.0 -> Unspecified
         0.1.2.3 -> Unspecified
         9.255.255.255 -> Public
         10.0.0.0 -> Private
         10.255.255.255 -> Private
         11.0.0.0 -> Public
         100.63.255.255 -> Public
         100.64.0.0 -> Private
         100.100.100.200 -> Metadata
         100.127.255.255 -> Private
         100.128.0.0 -> Public
         127.0.0.1 -> Loopback
         127.255.255.254 -> Loopback
         168.63.129.16 -> Metadata
         169.253.0.1 -> Public
         169.254.0.1 -> LinkLocal
         169.254.169.254 -> Metadata
         169.254.170.2 -> Metadata
         172.15.255.255 -> Public
         172.16.0.1 -> Private
         172.31.255.255 -> Private
         172.32.0.1 -> Public
         192.0.0.8 -> Reserved
         192.0.0.192 -> Metadata
         192.0.1.1 -> Public
         192.0.2.1 -> Reserved
         192.88.99.1 -> Reserved
         192.168.0.1 -> Private
         192.169.0.1 -> Public
         198.17.0.1 -> Public
         198.18.0.1 -> Reserved
         198.19.255.255 -> Reserved
         198.51.100.7 -> Reserved
         203.0.113.7 -> Reserved
         223.255.255.255 -> Public
         224.0.0.1 -> Multicast
         239.255.255.255 -> Multicast
         240.0.0.1 -> Reserved
         255.255.255.255 -> Reserved
         1.1.1.1 -> Public",
    );
}

#[test]
fn ipv6() {
    check(
        ":: -> Unspecified
         ::1 -> Loopback
         2606:4700:4700::1111 -> Public
         2a00:1450:4001:80b::200e -> Public
         fc00::1 -> Private
         fd12:3456::1 -> Private
         fd00:ec2::254 -> Metadata
         fd20:ce::254 -> Metadata
         fe80::1 -> LinkLocal
         febf::1 -> LinkLocal
         fec0::1 -> Private
         feff::1 -> Private
         ff02::1 -> Multicast
         100::1 -> Reserved
         2001:2::1 -> Reserved
         2001:20::1 -> Reserved
         2001:db8::1 -> Reserved
         3fff::1 -> Reserved
         5f00::1 -> Reserved
         4000::1 -> Reserved",
    );
}

#[test]
fn ipv6_embeddings() {
    check(
        "::ffff:127.0.0.1 -> Embedding
         ::ffff:8.8.8.8 -> Embedding
         ::127.0.0.1 -> Embedding
         ::ffff:0:10.0.0.1 -> Embedding
         64:ff9b::169.254.169.254 -> Embedding
         64:ff9b::8.8.8.8 -> Embedding
         64:ff9b:1::10.0.0.1 -> Embedding
         64:ff9b:1:a00:0:100:: -> Embedding
         2002:a9fe:a9fe:: -> Embedding
         2002:7f00:1::1 -> Embedding
         2001::1 -> Embedding
         2001:0:4136:e378:8000:63bf:3fff:fdd2 -> Embedding
         2606:4700::5efe:10.0.0.1 -> Embedding
         2606:4700::200:5efe:192.168.0.1 -> Embedding
         fe80::5efe:10.0.0.1 -> Embedding",
    );
}

#[test]
fn what_is_inside_an_embedding() {
    let cases: &[(&str, Option<[u8; 4]>)] = &[
        ("::ffff:10.0.0.1", Some([10, 0, 0, 1])),
        ("64:ff9b::169.254.169.254", Some([169, 254, 169, 254])),
        ("64:ff9b:1::10.0.0.1", None),
        ("2002:a9fe:a9fe::1", Some([169, 254, 169, 254])),
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", Some([192, 0, 2, 45])),
        ("2606:4700::5efe:10.0.0.1", Some([10, 0, 0, 1])),
        ("2606:4700::1", None),
    ];
    for (address, expected) in cases {
        assert_eq!(embedded(address.parse().unwrap()), expected.map(Ipv4Addr::from), "{address}");
    }
}
