# Dalli as Debian has it, which speaks the binary protocol alone: ADDRESS KEY.
require 'dalli'

Dalli.logger.level = Logger::FATAL
client = Dalli::Client.new(ARGV[0])
begin
  raise "found #{client.get(ARGV[1]).inspect}"
rescue Dalli::RingError, Dalli::NetworkError
  puts 'no server'
end
