import NIOCore

/// How frames stand in the response that brings them to the client.
enum ResponseForm: String, CaseIterable {
    case xhrPolling = "xhr-polling"
    case xhrStreaming = "xhr-streaming"
    case eventSource = "eventsource"
    case htmlFile = "htmlfile"
    case jsonp = "jsonp-polling"

    /// One frame, and the response ends.
    var isPolling: Bool {
        switch self {
        case .xhrPolling, .jsonp: true
        case .xhrStreaming, .eventSource, .htmlFile: false
        }
    }

    /// The client's function, whose name it tells in the query, is called with each frame.
    var needsCallback: Bool {
        switch self {
        case .htmlFile, .jsonp: true
        case .xhrPolling, .xhrStreaming, .eventSource: false
        }
    }

    var contentType: String {
        switch self {
        case .xhrPolling, .xhrStreaming, .jsonp: "application/javascript; charset=UTF-8"
        case .eventSource: "text/event-stream; charset=UTF-8"
        case .htmlFile: "text/html; charset=UTF-8"
        }
    }

    /// What comes before the first frame: some browsers show nothing of a response before they have read that much.
    ///
    /// - Parameter callback: see `needsCallback`.
    func prelude(callback: String) -> ByteBuffer? {
        switch self {
        case .xhrPolling, .jsonp: nil
        case .xhrStreaming: ByteBuffer(string: String(repeating: "h", count: 2048) + "\n")
        case .eventSource: ByteBuffer(staticString: "\r\n")
        case .htmlFile: ByteBuffer(string: Self.page(callback: callback))
        }
    }

    /// A frame as it stands in the response.
    func frame(_ payload: ByteBuffer, callback: String) -> ByteBuffer {
        var frame = ByteBuffer()
        switch self {
        case .xhrPolling, .xhrStreaming:
            frame.reserveCapacity(payload.readableBytes + 1)
            frame.writeImmutableBuffer(payload)
            frame.writeStaticString("\n")
        case .eventSource:
            // There is no line end in it: JSON has them escaped.
            frame.writeStaticString("data: ")
            frame.writeImmutableBuffer(payload)
            frame.writeStaticString("\r\n\r\n")
        case .htmlFile:
            frame.writeStaticString("<script>\np(")
            MessageQuoting.quoteForScript(payload, into: &frame)
            frame.writeStaticString(");\n</script>\r\n")
        case .jsonp:
            frame.writeString("\(callback)(")
            MessageQuoting.quoteForScript(payload, into: &frame)
            frame.writeStaticString(");\r\n")
        }
        return frame
    }

    /// The head of a page that never ends, each frame a script in it; padded so that Safari does not wait for more.
    private static func page(callback: String) -> String {
        let head = """
            <!doctype html>
            <html><head>
              <meta http-equiv="X-UA-Compatible" content="IE=edge" />
              <meta http-equiv="Content-Type" content="text/html; charset=UTF-8" />
            </head><body><h2>Don't panic!</h2>
              <script>
                document.domain = document.domain;
                var c = parent.\(callback);
                c.start();
                function p(d) {c.message(d);};
                window.onload = function() {c.stop();};
              </script>
            """
        return head + String(repeating: " ", count: max(0, 1024 - head.utf8.count)) + "\r\n\r\n"
    }
}
