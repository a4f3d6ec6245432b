import Bus
import RedisBus
import Testing

struct RedisConfigurationTests {
    @Test func whatIsLeftOutHasADefault() throws {
        let configuration = try RedisConfiguration(url: "redis://cache.example")
        #expect(configuration.host == "cache.example")
        #expect(configuration.port == 6379)
        #expect(configuration.user == nil)
        #expect(configuration.password == nil)
        #expect(configuration.database == 0)
        #expect(!configuration.usesTLS)
        #expect(configuration.keyPrefix == "belfry:")
    }

    @Test func everyPartIsRead() throws {
        let configuration = try RedisConfiguration(
            url: "rediss://re%6Cay:p%40ss%3Aw%2F%C5%BC@[2001:db8::1]:7000/12?ca=/etc/my%20ca.pem", keyPrefix: "prod:")
        #expect(configuration.host == "2001:db8::1")
        #expect(configuration.port == 7000)
        #expect(configuration.user == "relay")
        #expect(configuration.password == "p@ss:w/ż")
        #expect(configuration.database == 12)
        #expect(configuration.usesTLS)
        #expect(configuration.certificateAuthorityFile == "/etc/my ca.pem")
        #expect(configuration.keyPrefix == "prod:")
        #expect(configuration.redactedDescription == "rediss://relay:***@[2001:db8::1]:7000/12")
    }

    @Test(arguments: [
        ("REDIS://:secret@h/", nil, "secret", "h"), ("redis://default:s@h:1", "default", "s", "h"),
        ("redis://u:a@b@h/3", "u", "a@b", "h"), ("redis://u:a:b@h", "u", "a:b", "h"),
        ("redis://[::1]", nil, nil, "::1"),
    ])
    func credentialsAndHostAreToldApart(url: String, user: String?, password: String?, host: String) throws {
        let configuration = try RedisConfiguration(url: url)
        #expect(configuration.user == user)
        #expect(configuration.password == password)
        #expect(configuration.host == host)
    }

    @Test(arguments: [
        ("", "redis:// or rediss://"), ("localhost:6379", "redis:// or rediss://"),
        ("http://h", "redis:// or rediss://"), ("redis://", "host"), ("redis:///0", "host"),
        ("redis://u:hunter2@:6379", "host"), ("redis://u:hunter2@h:port", "port"), ("redis://h:0", "port"),
        ("redis://h:65536", "port"), ("redis://h:", "port"), ("redis://2001:db8::1", "brackets"),
        ("redis://[::1", "]"), ("redis://[::1]6379", "port"), ("redis://u:hunter2@h/x", "database"),
        ("redis://h/-1", "database"), ("redis://h/99999999999999999999", "database"),
        ("redis://hunter2@h", "user without a password"), ("redis://u:@h", "password is empty"),
        ("redis://u:hunter2%@h", "password"), ("redis://u:hunter2%zz@h", "password"),
        ("redis://u%ff:hunter2@h", "user"), ("redis://u:hunter2#@h", "%23"), ("redis://h?ca=/x", "rediss"),
        ("rediss://h?ca=", "ca"), ("rediss://u:hunter2@h?insecure=true", "insecure"),
    ])
    func aWrongURLIsNamedAndThePasswordIsNot(url: String, word: String) {
        let error = #expect(throws: BusError.self) { try RedisConfiguration(url: url) }
        #expect(error?.code == .invalidConfiguration)
        #expect(error?.message.contains(word) == true, "\(error?.message ?? "")")
        #expect(error?.message.contains("hunter2") == false)
    }
}
