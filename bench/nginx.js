import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { BANNED } from './scenarios.js'
import { ANSWER } from './answer.js'

/** One worker without a daemon: its CPU time is that of the process tree. */
const frame = (name, http) => `worker_processes 1;
daemon off;
pid ${name}.pid;
error_log stderr crit;
events { worker_connections 8192; }
http {
  access_log off;
  keepalive_requests 100000000;
  keepalive_timeout 3600s;
  client_max_body_size 0;
  client_body_buffer_size 64k;
  client_body_temp_path ${name}-body;
  proxy_temp_path ${name}-proxy;
  fastcgi_temp_path ${name}-fastcgi;
  uwsgi_temp_path ${name}-uwsgi;
  scgi_temp_path ${name}-scgi;
${http}
}
`

const upstreamConfig = ({ port }) => frame('upstream', `  default_type application/json;
  server {
    listen 127.0.0.1:${port} backlog=4096;
    location / { return 200 '${ANSWER}'; }
  }`)

/** As an operator would write it who wants what Portcullis does, as far as nginx can: deny list and limits. */
const peerConfig = ({ port, upstreamPort }) => frame('peer', `  set_real_ip_from 127.0.0.1;
  real_ip_header X-Forwarded-For;
  deny ${BANNED};
  limit_req_zone $binary_remote_addr zone=requests:10m rate=100000r/s;
  limit_conn_zone $binary_remote_addr zone=connections:10m;
  limit_req zone=requests burst=100000 nodelay;
  limit_conn connections 10000;
  upstream backend { server 127.0.0.1:${upstreamPort}; keepalive 256; keepalive_requests 100000000; }
  server {
    listen 127.0.0.1:${port} backlog=4096;
    location / {
      proxy_pass http://backend;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      proxy_request_buffering off;
      proxy_buffering off;
    }
  }`)

/** Each answers the command that runs nginx with a configuration of its own in the work folder. */
export const nginxUpstream = (workDir, port) => command(workDir, 'upstream', upstreamConfig({ port }))
export const nginxPeer = (workDir, port, upstreamPort) => command(workDir, 'peer', peerConfig({ port, upstreamPort }))

function command (workDir, name, config) {
  const file = join(workDir, `${name}.conf`)
  writeFileSync(file, config)
  return ['nginx', '-p', workDir, '-c', file]
}
