import Testing

@testable import OTLPTracing

/// Where spans go, as it is written down.
@Suite struct OTLPConfigurationTests {
    private func url(_ endpoint: String) -> String? {
        OTLPConfiguration(endpoint: endpoint, service: ("belfry", "p", "1"))?.url
    }

    @Test func thePathIsAddedWhereItIsLacking() {
        #expect(url("http://c:4318") == "http://c:4318/v1/traces")
        #expect(url("http://c:4318/") == "http://c:4318/v1/traces")
        #expect(url("https://c/otlp") == "https://c/otlp/v1/traces")
        #expect(url("https://c/otlp/v1/traces") == "https://c/otlp/v1/traces")
    }

    @Test(arguments: ["", "c:4318", "grpc://c:4317", "http://", "http://c?x=1", "http://c#x"])
    func whatIsNoBaseURLIsNone(endpoint: String) { #expect(url(endpoint) == nil) }

    @Test func sentencesShowNoPassword() {
        let configuration = OTLPConfiguration(endpoint: "http://me:secret@c:4318", service: ("belfry", "p", "1"))
        #expect(configuration?.shownURL == "http://c:4318/v1/traces")
    }

    @Test func fieldsAreThoseOfTheEnvironmentVariable() throws {
        let fields = try #require(OTLPConfiguration.parseFields("api-key=a%20b%2Cc, x-Tenant = t=1"))
        #expect(fields.map(\.name) == ["api-key", "x-Tenant"] && fields.map(\.value) == ["a b,c", "t=1"])
        for text in ["", "a", "a=b,", "=b", "a b=c", "a=%0Ab", "a=%zz"] {
            #expect(OTLPConfiguration.parseFields(text) == nil, "\(text)")
        }
    }
}
