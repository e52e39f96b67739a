/* hiredis as a user: hiredis PORT USER TOKEN. Debian's, of version 0.14, has no TLS; that inside redis-cli has. */

#include <assert.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int is(redisContext *context, int type, const char *text, redisReply *reply) {
    if (!reply) {
        fprintf(stderr, "%s\n", context->errstr);
        return 0;
    }
    int same = reply->type == type && !strncmp(reply->str, text, strlen(text));
    if (!same) fprintf(stderr, "%d %s\n", reply->type, reply->str ? reply->str : "");
    freeReplyObject(reply);
    return same;
}

int main(int argc, char **argv) {
    assert(argc == 4);
    const char *user = argv[2], *token = argv[3];
    redisContext *context = redisConnect("127.0.0.1", atoi(argv[1]));
    assert(context && !context->err);
    assert(is(context, REDIS_REPLY_ERROR, "NOAUTH ", redisCommand(context, "GET k")));
    assert(is(context, REDIS_REPLY_ERROR, "WRONGPASS ", redisCommand(context, "AUTH %s wrong", user)));
    assert(is(context, REDIS_REPLY_STATUS, "OK", redisCommand(context, "AUTH %s %s", user, token)));
    assert(is(context, REDIS_REPLY_STRING, user, redisCommand(context, "ACL WHOAMI")));
    redisAppendCommand(context, "GET k");
    redisAppendCommand(context, "PING");
    redisReply *reply = NULL;
    assert(redisGetReply(context, (void **)&reply) == REDIS_OK && is(context, REDIS_REPLY_STRING, "value", reply));
    assert(redisGetReply(context, (void **)&reply) == REDIS_OK && is(context, REDIS_REPLY_STATUS, "PONG", reply));
    redisFree(context);
    puts("done");
    return 0;
}
