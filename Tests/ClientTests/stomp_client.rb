# A session of Ruby's stomp gem over TCP: subscribes, takes one message, acknowledges it, and leaves with a receipt.
#
# Arguments: port, user, and for TLS the file with the server's certificate. Says on standard output how far it is.
require "stomp"
require "timeout"

port, user, certificate = ARGV
host = { host: "127.0.0.1", port: port.to_i, login: "", passcode: "" }
host[:ssl] = Stomp::SSLParams.new(ts_files: certificate) if certificate
$stdout.sync = true

Timeout.timeout(60) do
  connection = Stomp::Connection.new(
    hosts: [host], reliable: false,
    connect_headers: { "accept-version" => "1.2", "host" => "localhost", "Authorization" => "Bearer #{user}" })
  connection.subscribe(
    "/user/queue/msg", { "id" => "1", "ack" => "client-individual", "receipt" => "subscribed" })
  frame = connection.receive
  raise "no receipt: #{frame}" unless frame.command == "RECEIPT" && frame.headers["receipt-id"] == "subscribed"
  puts "subscribed"
  message = connection.receive
  raise "no message: #{message}" unless message.command == "MESSAGE"
  connection.ack(message.headers["ack"], { "receipt" => "acknowledged" })
  frame = connection.receive
  raise "no receipt: #{frame}" unless frame.headers["receipt-id"] == "acknowledged"
  puts "message #{message.headers["message-id"]} #{message.body}"
  connection.disconnect("receipt" => "bye")
  frame = connection.disconnect_receipt
  raise "no receipt: #{frame}" unless frame && frame.headers["receipt-id"] == "bye"
  puts "gone #{Stomp::Version::STRING}"
end
