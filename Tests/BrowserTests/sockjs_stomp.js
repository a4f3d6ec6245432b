// A STOMP client over SockJS, for the tests: the same in a page and in Node. It takes COUNT messages of its user's,
// acknowledges each, and is done when the last receipt is there.
"use strict";

function receive(SockJS, url, transport, user, count, log) {
    return new Promise((resolve, reject) => {
        const socket = new SockJS(url, null, transport ? { transports: [transport] } : {});
        const seen = [];
        let text = "";
        const send = (command, headers) => {
            const lines = Object.entries(headers).map(([name, value]) => name + ":" + value + "\n");
            socket.send(command + "\n" + lines.join("") + "\n\0");
        };
        const frame = (lines) => {
            const headers = {};
            for (const line of lines.slice(1)) {
                const colon = line.indexOf(":");
                headers[line.slice(0, colon)] = line.slice(colon + 1);
            }
            return { command: lines[0], headers };
        };
        const handle = ({ command, headers }, body) => {
            if (command === "CONNECTED") {
                send("SUBSCRIBE", {
                    id: "0", destination: "/user/queue/msg", ack: "client-individual", receipt: "sub",
                });
            } else if (command === "MESSAGE") {
                seen.push({ id: headers["message-id"], body: JSON.parse(body) });
                send("ACK", { id: headers.ack, receipt: "ack-" + seen.length });
            } else if (command === "RECEIPT" && headers["receipt-id"] === "sub") {
                log("subscribed over " + socket.transport);
            } else if (command === "RECEIPT" && headers["receipt-id"] === "ack-" + count) {
                resolve({ transport: socket.transport, seen });
                socket.close();
            } else if (command === "ERROR") {
                reject(new Error(headers.message + ": " + body));
            }
        };
        socket.onopen = () => send("CONNECT", { "accept-version": "1.2", host: "x", token: user, "heart-beat": "0,0" });
        socket.onmessage = (event) => {
            text += event.data;
            for (let end; (end = text.indexOf("\0")) >= 0; text = text.slice(end + 1)) {
                const whole = text.slice(0, end).replace(/^\n+/, "");
                const head = whole.indexOf("\n\n");
                handle(frame(whole.slice(0, head).split("\n")), whole.slice(head + 2));
            }
        };
        socket.onclose = (event) => reject(new Error("closed: " + event.code + " " + event.reason));
    });
}

if (typeof module !== "undefined") {
    const [url, transport, user, count] = process.argv.slice(2);
    receive(require("sockjs-client"), url, transport, user, Number(count), (line) => console.log(line)).then(
        // What stands in a pipe is lost when the process ends before it has left.
        (result) => process.stdout.write(JSON.stringify(result), () => process.exit(0)),
        (error) => {
            console.error(error.message);
            process.exit(1);
        });
}
