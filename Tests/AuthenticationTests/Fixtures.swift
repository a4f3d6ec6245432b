/// Keys and tokens made by PyJWT 2 with the cryptography package: what another implementation signs must verify here.
/// The keys were made for these tests and are used nowhere else. Every token says
/// `sub` alice, `exp` `Fixtures.now` + 1 h, `iss` https://issuer.example, `aud` belfry and other.
enum Fixtures {
    /// The moment at which the tokens were issued, in seconds since 1970.
    static let now = 1_800_000_000.0
    static let secret = "a secret of sixty-four bytes as HS512 wants it at the very least"

    static let rsaPublic = """
        -----BEGIN PUBLIC KEY-----
        MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAnnDbr6/sKTjxKRv6Jbci
        JbS6uenW+rYQyA8hpJlD/DtO/E/4w+sXqG6au6MVR/LBeQ/+C+9lHNCaDqEBCo2e
        hEDqavfrpYDoT9o76qvf+Y3IRyuULUqRHABbhfKDZNMYgX1aRb1dIllQVg0tmGDR
        f9Fwso3vxkNm8kuU5PIqmkjETJN+thv8QL0mfEzJ4Pq3vjFPNf0n/qb4A1LjoW6S
        3R+tA+9H7JTHPC6kZ6cWGehyMZmWVNwaW6BGpW9+50egCp8jWJeNcFn+unDFYwx0
        SCcoYu9wMlY44vdM13kapzYViEIDeoEMKbSpgz1wQKKXmm6WAM3YsBxKwYqjrBfL
        2QIDAQAB
        -----END PUBLIC KEY-----
        """

    static let rsaCertificate = """
        -----BEGIN CERTIFICATE-----
        MIICqzCCAZOgAwIBAgIBBzANBgkqhkiG9w0BAQsFADAZMRcwFQYDVQQDDA5pc3N1
        ZXIuZXhhbXBsZTAeFw0yNjAxMDEwMDAwMDBaFw00NjAxMDEwMDAwMDBaMBkxFzAV
        BgNVBAMMDmlzc3Vlci5leGFtcGxlMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIB
        CgKCAQEAnnDbr6/sKTjxKRv6JbciJbS6uenW+rYQyA8hpJlD/DtO/E/4w+sXqG6a
        u6MVR/LBeQ/+C+9lHNCaDqEBCo2ehEDqavfrpYDoT9o76qvf+Y3IRyuULUqRHABb
        hfKDZNMYgX1aRb1dIllQVg0tmGDRf9Fwso3vxkNm8kuU5PIqmkjETJN+thv8QL0m
        fEzJ4Pq3vjFPNf0n/qb4A1LjoW6S3R+tA+9H7JTHPC6kZ6cWGehyMZmWVNwaW6BG
        pW9+50egCp8jWJeNcFn+unDFYwx0SCcoYu9wMlY44vdM13kapzYViEIDeoEMKbSp
        gz1wQKKXmm6WAM3YsBxKwYqjrBfL2QIDAQABMA0GCSqGSIb3DQEBCwUAA4IBAQAp
        HeuLUlpWycrRjSs2qZAU5VVCGAjqhHTN7PmqYTMAPxlXX2FPBvOtEzYgtrYzKVWo
        7v/l0W1KF9DAUxXNloQq+rrzAESbR4PWD6an/Y45FGWw/iKpgRPk5uXFvs+2DF+I
        epup1g2fiI9yYHtzWKiDcaL7LlRYs2tqC5WNbBVfU5S1eDFdxP38+AevhZA3M4lH
        kbNIvJx94WccbVN4OhHnROf2Jarz0IBJm7tqp339adRRZhlLugn9wGlgc/A09BF8
        1PGXA1TQ2ZhZEkNdE1RX/pseRIkZW238jIq4sfMp6Pm97a6uAO/W9+2ql5Zr7Sta
        F9tpyDgMU2/Z/gShGQ2I
        -----END CERTIFICATE-----
        """

    static let weakRSAPublic = """
        -----BEGIN PUBLIC KEY-----
        MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDLtUviVeT3uH9vcQmSoh1kIRTD
        7NsbifyBmRNlISj6ctP6dRzXE+VKw5BFI7buz1ZtpbSkT7ony9ditIcAC6Ubx4lN
        l7JtViJd8WOzmjwUW/QftNmDFlHrdwZ1URZ2VcGm3rCqgUnCd+p5BKToS4BXNRxJ
        dvWU/6sRX+MRb8UtKwIDAQAB
        -----END PUBLIC KEY-----
        """

    static let ec256Public = """
        -----BEGIN PUBLIC KEY-----
        MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEYAhO46y8B8+OTrndJzXnIqRmoYub
        VZZUDtvxmErTNc1qvIwZoAs31uwfsEUxC9JmcJ0tt5DQmmKqn4ibGxtZ3w==
        -----END PUBLIC KEY-----
        """

    static let ec384Public = """
        -----BEGIN PUBLIC KEY-----
        MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAE+cv3pGSgzzRrqhavBOztlTlOT6+WsXse
        PkfKS0bznGhyAUs+yk0bvXmVWL1RyouCQ1umjX5oMRoW7eXtyJsjzfQiDLYci44E
        7vwsvA2pA1vhIlv2RElkjLvK1cmf6TuI
        -----END PUBLIC KEY-----
        """

    static let ec521Public = """
        -----BEGIN PUBLIC KEY-----
        MIGbMBAGByqGSM49AgEGBSuBBAAjA4GGAAQAuvNUtjgOFnaqWPcOJkQ9XIkKfsCT
        8MigxpgS9XfmHMyxWbGw3IVj3ouHZVwXj63VzTFgkz6aXPmQ/0Wz3qJLsRsBYHqg
        4p+NpNbKhKLDBU+9Y5rl2CDKFzCflYdwoYtwJeUfLJIJNhShUYi4z0uKmhCaO3F1
        qzHDwpo/WbxApbDIU80=
        -----END PUBLIC KEY-----
        """

    static let ed25519Public = """
        -----BEGIN PUBLIC KEY-----
        MCowBQYDK2VwAyEAZF63ULgHOGavgTgEtjW6bwjj2LI9nIZ4LEzdAWIX35c=
        -----END PUBLIC KEY-----
        """

    static let ec256Private = """
        -----BEGIN PRIVATE KEY-----
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgwSDS6el+KZ6gK5/O
        Cqu88vU09bA+/eFV7HYJMpi+ZA2hRANCAARgCE7jrLwHz45Oud0nNecipGahi5tV
        llQO2/GYStM1zWq8jBmgCzfW7B+wRTEL0mZwnS23kNCaYqqfiJsbG1nf
        -----END PRIVATE KEY-----
        """

    /// RSA, EC P-256, Ed25519 and EC P-384, one for encryption, one of a kind not served, one RSA for PS256.
    static let keySet = """
        {
          "keys": [
            {
              "kty": "RSA",
              "n": "nnDbr6_sKTjxKRv6JbciJbS6uenW-rYQyA8hpJlD_DtO_E_4w-sXqG6au6MVR_LBeQ_-C-9lHNCaDqEBCo2ehEDq\
        avfrpYDoT9o76qvf-Y3IRyuULUqRHABbhfKDZNMYgX1aRb1dIllQVg0tmGDRf9Fwso3vxkNm8kuU5PIqmkjETJN-thv8QL0mfEzJ\
        4Pq3vjFPNf0n_qb4A1LjoW6S3R-tA-9H7JTHPC6kZ6cWGehyMZmWVNwaW6BGpW9-50egCp8jWJeNcFn-unDFYwx0SCcoYu9wMlY4\
        4vdM13kapzYViEIDeoEMKbSpgz1wQKKXmm6WAM3YsBxKwYqjrBfL2Q",
              "e": "AQAB",
              "kid": "rsa-1",
              "use": "sig"
            },
            {
              "kty": "EC",
              "crv": "P-256",
              "x": "YAhO46y8B8-OTrndJzXnIqRmoYubVZZUDtvxmErTNc0",
              "y": "aryMGaALN9bsH7BFMQvSZnCdLbeQ0Jpiqp-ImxsbWd8",
              "kid": "ec-1",
              "alg": "ES256"
            },
            {
              "x": "ZF63ULgHOGavgTgEtjW6bwjj2LI9nIZ4LEzdAWIX35c",
              "kty": "OKP",
              "crv": "Ed25519",
              "kid": "ed-1",
              "alg": "EdDSA"
            },
            {
              "kty": "EC",
              "crv": "P-384",
              "x": "-cv3pGSgzzRrqhavBOztlTlOT6-WsXsePkfKS0bznGhyAUs-yk0bvXmVWL1RyouC",
              "y": "Q1umjX5oMRoW7eXtyJsjzfQiDLYci44E7vwsvA2pA1vhIlv2RElkjLvK1cmf6TuI",
              "kid": "ec-384"
            },
            {
              "kty": "RSA",
              "n": "nnDbr6_sKTjxKRv6JbciJbS6uenW-rYQyA8hpJlD_DtO_E_4w-sXqG6au6MVR_LBeQ_-C-9lHNCaDqEBCo2ehEDq\
        avfrpYDoT9o76qvf-Y3IRyuULUqRHABbhfKDZNMYgX1aRb1dIllQVg0tmGDRf9Fwso3vxkNm8kuU5PIqmkjETJN-thv8QL0mfEzJ\
        4Pq3vjFPNf0n_qb4A1LjoW6S3R-tA-9H7JTHPC6kZ6cWGehyMZmWVNwaW6BGpW9-50egCp8jWJeNcFn-unDFYwx0SCcoYu9wMlY4\
        4vdM13kapzYViEIDeoEMKbSpgz1wQKKXmm6WAM3YsBxKwYqjrBfL2Q",
              "e": "AQAB",
              "kid": "enc-1",
              "use": "enc"
            },
            {
              "kty": "oct",
              "k": "c2VjcmV0",
              "kid": "oct-1"
            },
            {
              "kty": "RSA",
              "n": "nnDbr6_sKTjxKRv6JbciJbS6uenW-rYQyA8hpJlD_DtO_E_4w-sXqG6au6MVR_LBeQ_-C-9lHNCaDqEBCo2ehEDq\
        avfrpYDoT9o76qvf-Y3IRyuULUqRHABbhfKDZNMYgX1aRb1dIllQVg0tmGDRf9Fwso3vxkNm8kuU5PIqmkjETJN-thv8QL0mfEzJ\
        4Pq3vjFPNf0n_qb4A1LjoW6S3R-tA-9H7JTHPC6kZ6cWGehyMZmWVNwaW6BGpW9-50egCp8jWJeNcFn-unDFYwx0SCcoYu9wMlY4\
        4vdM13kapzYViEIDeoEMKbSpgz1wQKKXmm6WAM3YsBxKwYqjrBfL2Q",
              "e": "AQAB",
              "kid": "ps-1",
              "alg": "PS256"
            }
          ]
        }
        """

    /// By algorithm, without `kid`.
    static let tokens = [
        "HS256":
            "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbGljZSIsImlhdCI6MTgwMDAwMDAwMCwiZXhwIjoxODAwMDA"
            + "zNjAwLCJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwiYXVkIjpbImJlbGZyeSIsIm90aGVyIl19.qp_vZ1GORCknlZ"
            + "gcVzbqdyeQ1PqNd2bz6-ZloXOy0tc",
        "HS384":
            "eyJhbGciOiJIUzM4NCIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbGljZSIsImlhdCI6MTgwMDAwMDAwMCwiZXhwIjoxODAwMDA"
            + "zNjAwLCJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwiYXVkIjpbImJlbGZyeSIsIm90aGVyIl19.jAgQZqAGYHvCUd"
            + "ZLUYTZPFi76Eur8LP2PexJqdcEb_i8iEPq5ppFAp8Izr11R0s5",
        "HS512":
            "eyJhbGciOiJIUzUxMiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbGljZSIsImlhdCI6MTgwMDAwMDAwMCwiZXhwIjoxODAwMDA"
            + "zNjAwLCJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwiYXVkIjpbImJlbGZyeSIsIm90aGVyIl19.dcmsgAJ-zdd9A4"
            + "Yo4UxalVH-Yxoz7fe4hvQ96psit9XFRY-BKfgHp2fzO0-LCnyQ6B50ciiPnBIlvlgWkayzCw",
        "RS256":
            "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbGljZSIsImlhdCI6MTgwMDAwMDAwMCwiZXhwIjoxODAwMDA"
            + "zNjAwLCJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwiYXVkIjpbImJlbGZyeSIsIm90aGVyIl19.IZi4OSFC-jPv3N"
            + "45uTRB45xbtddSxxUWX4f4lmdb3s6BZbkb8aaOAA0hZ3lZZ55lhFXAwuB4-99y1tRHm2VWfKROdqiu0i-Y3t_OuDkGcq9jvc"
            + "NG8FZtzFEcccL_VeLQMKPpWwUDpv14cmj2_pUP2Eos3Ik59EENB6zT0dNbiGpYSV_xW_0D0bFWopDokU0xKjEKkA0VfA8lAl"
            + "Bfm8NwcdAEXUnqKxVb1hmVVpurw7ZJLh_NXbCkhoErgTeSCcwWiw7DkH0tlm5qefCysu9GY3vz1U2dCowCttQn_DitPPp3Nk"
            + "mj68UVsXHSmQQwsEXpvWd573nfOqq4Db6aom4PoA",
        "ES256":
            "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbGljZSIsImlhdCI6MTgwMDAwMDAwMCwiZXhwIjoxODAwMDA"
            + "zNjAwLCJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwiYXVkIjpbImJlbGZyeSIsIm90aGVyIl19.D8Llhm0oTib62D"
            + "dvpOLZXuFjZZ7fLorWyX29qe2u0TXzOk643WvUJSaK7FrIC9ZuMCUwT1r2UCmxtHPVonyAUg",
        "ES384":
            "eyJhbGciOiJFUzM4NCIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbGljZSIsImlhdCI6MTgwMDAwMDAwMCwiZXhwIjoxODAwMDA"
            + "zNjAwLCJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwiYXVkIjpbImJlbGZyeSIsIm90aGVyIl19.fyps1bNpdQSC-9"
            + "PEb1m0HPG5lMcFQn1s0bcAWFC1VHmW8A1yqdfqod13xvwl3UM08zW7Gh0RyrPXhi7FD4uQcAC5pvMKdr3NckcU-reza7Asnb"
            + "fcJg_oCR3c5axKomre",
        "ES512":
            "eyJhbGciOiJFUzUxMiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbGljZSIsImlhdCI6MTgwMDAwMDAwMCwiZXhwIjoxODAwMDA"
            + "zNjAwLCJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwiYXVkIjpbImJlbGZyeSIsIm90aGVyIl19.ADqmnkTAM4AcA5"
            + "1VMqF6xr45ZuJM5ksqyVp-GS4vj7d35VTr2oKUqCOwZEstmKqANQzyvZ51wwTH3NKivS0lQyBYAOpz_aE_9UdTiHOAwqgmA5"
            + "gYGaayuUMmVlt2mOXjzNInwuU_8xWri_V44dumhv8aeEM2smmnKxjamMziIj1vNtGZ",
        "EdDSA":
            "eyJhbGciOiJFZERTQSIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbGljZSIsImlhdCI6MTgwMDAwMDAwMCwiZXhwIjoxODAwMDA"
            + "zNjAwLCJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwiYXVkIjpbImJlbGZyeSIsIm90aGVyIl19.aEfHtdTpvzDjUB"
            + "bsl2Pkmj9rSmj5ebkljSaEeRhSsTREO9dRghPfS5L0NANRhRgpkhrg1Z17zqW_TR_tniu7Cw",
    ]

    /// By algorithm, with the `kid` that `keySet` gives the key.
    static let tokensWithKeyID = [
        "RS256":
            "eyJhbGciOiJSUzI1NiIsImtpZCI6InJzYS0xIiwidHlwIjoiSldUIn0.eyJzdWIiOiJhbGljZSIsImlhdCI6MTgwMDAwMDAw"
            + "MCwiZXhwIjoxODAwMDAzNjAwLCJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwiYXVkIjpbImJlbGZyeSIsIm90aGVy"
            + "Il19.ExKEsylXdwDp7FXx0xct6Wwu1FylfpDtsDypbc65BHfLA8NARA61reD4IuwmyHEsFCukaN-lapFtyIUUN4JJqr8C3ba"
            + "pq2b84UwPKWcFCCkbU3sfg-hpiTg0-_HoaQLr85lPvfp7GFky39sl66_AKB7Jj6NpuvOjowLt31z1tpfpFp3X8SDjdW5HliR"
            + "1CTdpmWvGKpvfh4lzHG-c-ADtE6yWf4pZNpuX12wscVzVkdurPYmHRBNmBpmnOyFakiC5dyVnNNcqd5-yC0m1xRNrx__eceG"
            + "px9U8PtL48_m5A5pff_Wc3DdGTRbVYDMDvoEAqTPotEw6fujR-SXfywuHGA",
        "ES256":
            "eyJhbGciOiJFUzI1NiIsImtpZCI6ImVjLTEiLCJ0eXAiOiJKV1QifQ.eyJzdWIiOiJhbGljZSIsImlhdCI6MTgwMDAwMDAwM"
            + "CwiZXhwIjoxODAwMDAzNjAwLCJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwiYXVkIjpbImJlbGZyeSIsIm90aGVyI"
            + "l19.mq1B21-9O1-aQ6uenDcfGsUhGufcBFnc5trFfIfM7cCOz1UvosRLeyjZPl3n_776VcWEPzp2CzMmyzvpfYPGZg",
        "EdDSA":
            "eyJhbGciOiJFZERTQSIsImtpZCI6ImVkLTEiLCJ0eXAiOiJKV1QifQ.eyJzdWIiOiJhbGljZSIsImlhdCI6MTgwMDAwMDAwM"
            + "CwiZXhwIjoxODAwMDAzNjAwLCJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwiYXVkIjpbImJlbGZyeSIsIm90aGVyI"
            + "l19.4CoXZa0z4TKacG0xsj48qKZsel5B3PCnRbj0FhiHN9ylRJCczXejd2aabIjBnZz0tTBhUj5lW7ULfXzM2L3DAg",
        "ES384":
            "eyJhbGciOiJFUzM4NCIsImtpZCI6ImVjLTM4NCIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbGljZSIsImlhdCI6MTgwMDAwMDA"
            + "wMCwiZXhwIjoxODAwMDAzNjAwLCJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwiYXVkIjpbImJlbGZyeSIsIm90aGV"
            + "yIl19.0B_LAZB0BHOn31uOXEl1ay9HERaMsvC2eoTv32gVYIKsxhrQioJo1Ml06yyuZXbcnSdxQ_DckTgpKJoBKBxk7TABdZ"
            + "D7AJvaNlva6ntj4Pvutq3emnQISkvBTpS-EYUl",
        "PS256":
            "eyJhbGciOiJQUzI1NiIsImtpZCI6InBzLTEiLCJ0eXAiOiJKV1QifQ.eyJzdWIiOiJhbGljZSIsImlhdCI6MTgwMDAwMDAwM"
            + "CwiZXhwIjoxODAwMDAzNjAwLCJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwiYXVkIjpbImJlbGZyeSIsIm90aGVyI"
            + "l19.PsPKgTRkU1fhbua9Le1xSYAL4JU7QOR-ZjzIeT5M1JvWsiJ1Jf9SIyD8dLDDahgdJIaJV_ukLfxo67THYZ55FNNqd03j"
            + "skWDPm2L_oUXfmSlTi-_ZeemcwmQwec9hbfn-ogxlgg94B1b_mVwCIdDMzgVsQfWJBZGiBiw3POt869wipNH0S3qXA8t2cgH"
            + "j8n8gCxpyTnQBWB7dLk3HM_wEpYCeU3aWfZKLsf2h0G7Ix-n3Chr95zrkYreDlDZbyUtgUzgWauqBESr38UYALecX8Iz0Faz"
            + "0N5BJCFHAiJ-38rMFPj31_vxi2Uc1iMV-dphd_xaV47UqNCUFQ4_Rk-lUg",
    ]

    /// The algorithm `none`, without a signature.
    static let unsigned =
        "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJzdWIiOiJhbGljZSIsImlhdCI6MTgwMDAwMDAwMCwiZXhwIjoxODAwMDAz"
        + "NjAwLCJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwiYXVkIjpbImJlbGZyeSIsIm90aGVyIl19."
}
