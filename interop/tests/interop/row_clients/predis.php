<?php
// Predis and rows: PORT.
@include_once 'Predis/Autoloader.php';
if (!class_exists('Predis\Autoloader')) {
    fwrite(STDERR, "Predis is missing; install it with `apt-get install php-predis`\n");
    exit(1);
}
Predis\Autoloader::register();
function expect($what, $found, $expected) {
    if ($found !== $expected) {
        fwrite(STDERR, "$what: expected " . json_encode($expected) . ', found ' . json_encode($found) . "\n");
        exit(1);
    }
}
$client = new Predis\Client(['host' => '127.0.0.1', 'port' => (int) $argv[1]]);
$lamp = ['title' => 'a "bright" Lämp', 'price' => '12.50', 'stock' => '7'];
expect('hgetall', $client->hgetall('lamp'), $lamp);
expect('hgetall of none', $client->hgetall('none'), []);
expect('hmget', $client->hmget('lamp', ['stock', 'none', 'title']), ['7', null, $lamp['title']]);
expect('hget', $client->hget('lamp', 'price'), '12.50');
expect('hget of null', $client->hget('chair', 'price'), null);
expect('hkeys', $client->hkeys('chair'), ['title', 'stock']);
expect('hlen', $client->hlen('lamp'), 3);
$answers = $client->pipeline(function ($pipe) {
    for ($i = 0; $i < 500; $i++) {
        $pipe->hmget('chair', 'title', 'stock');
    }
});
expect('pipeline', $answers, array_fill(0, 500, ['Chair', '-3']));
[$all, $some] = $client->transaction()->hgetall('lamp')->hmget('lamp', 'price')->execute();
expect('transaction', [$all, $some], [$lamp, ['12.50']]);
$found = iterator_to_array(new Predis\Collection\Iterator\HashKey($client, 'lamp', '[tp]*'));
expect('hscan', $found, ['title' => $lamp['title'], 'price' => '12.50']);
echo "done\n";
