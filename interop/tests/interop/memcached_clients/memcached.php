<?php
// php-memcached, which reads on after every write that was refused: ADDRESS KEY VALUE.
[, $address, $key, $value] = $argv;
[$host, $port] = explode(':', $address);
function expect($what, $found, $expected) {
    if ($found !== $expected) {
        fwrite(STDERR, "$what: expected " . json_encode($expected) . ', found ' . json_encode($found) . "\n");
        exit(1);
    }
}
$careful = [
    Memcached::OPT_LIBKETAMA_COMPATIBLE => true,
    Memcached::OPT_SERVER_FAILURE_LIMIT => 1,
    Memcached::OPT_REMOVE_FAILED_SERVERS => true,
    Memcached::OPT_RETRY_TIMEOUT => 60,
];
foreach ([[], $careful] as $options) {
    $client = new Memcached();
    $client->setOptions($options);
    $client->addServer($host, (int) $port);
    expect('get', $client->get($key), $value);
    expect('get of none', $client->get('none'), false);
    expect('get of none', $client->getResultCode(), Memcached::RES_NOTFOUND);
    $writes = [
        ['set', $key, 'x'], ['add', $key, 'x'], ['replace', $key, 'x'], ['delete', $key], ['increment', $key, 1],
        ['decrement', $key, 1], ['touch', $key, 10], ['setMulti', [$key => 'x']], ['flush'],
    ];
    foreach ($writes as $arguments) {
        $write = array_shift($arguments);
        expect($write, @$client->$write(...$arguments), false);
        expect("get after $write", $client->get($key), $value);
    }
    $keys = $client->getAllKeys();
    sort($keys);
    $expected = [$key, 'number'];
    sort($expected);
    expect('getAllKeys', $keys, $expected);
    expect('version', array_values($client->getVersion()), ['1.6.18']);
}
echo "done\n";
