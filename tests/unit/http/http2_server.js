// SPDX-License-Identifier: Apache-2.0
// An HTTP/2 server on loopback: node http2_server.js KEY CERT. Prints its port on a line.
// /silent: one byte, then nothing; /busy: a byte every 100 ms; others: the number of the connection.
const fs = require('fs');
const http2 = require('http2');

const server = http2.createSecureServer({
	key: fs.readFileSync(process.argv[2]),
	cert: fs.readFileSync(process.argv[3]),
});
let nSessions = 0;

server.on('session', (session) => {
	session.number = ++nSessions;
	session.on('error', () => {});
});
server.on('stream', (stream, headers) => {
	stream.on('error', () => {});
	stream.respond({ ':status': 200 });
	if (headers[':path'] === '/silent') {
		stream.write('x');
	} else if (headers[':path'] === '/busy') {
		const timer = setInterval(() => stream.write('x'), 100);
		stream.on('close', () => clearInterval(timer));
	} else {
		stream.end(String(stream.session.number));
	}
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
// Without its parent it ends: its standard input is a pipe of which nothing comes but the end.
process.stdin.on('end', () => process.exit(0)).resume();
