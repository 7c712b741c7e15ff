#!/usr/bin/env escript
%%! +P 4000000 -noinput
%% erlang_bench.erl: what Erlang's processes cost, in the shapes that creche is measured in.
%%
%%     escript erlang_bench.erl [--count N] [hop] [spawn] [cancel]     without a word, these three
%%     escript erlang_bench.erl [--count N] [restart] [children]   what supervision costs
%%
%% Prints one JSON line for each measurement, {"what", "ns", "cpu_ns" or "bytes", "count"}.
%% cpu_ns is of all threads.
-mode(compile).
-export([init/1, worker/1, waiter/0]).

main(Args) -> main(Args, 1000000, []).

main(["--count", N | Rest], _, Words) -> main(Rest, list_to_integer(N), Words);
main([Word | Rest], Count, Words) -> main(Rest, Count, [Word | Words]);
main([], Count, []) -> main([], Count, ["hop", "spawn", "cancel"]);
main([], Count, Words) ->
    [alone(fun() -> measure(Word, Count) end)
     || Word <- ["hop", "spawn", "cancel", "restart", "children"], lists:member(Word, Words)].

measure("hop", _) -> hop(1000000);
measure("spawn", _) -> spawn_end(300000);
measure("cancel", Count) -> cancel(Count);
measure("restart", _) -> restart(400);
measure("children", Count) -> children(Count).

%% Each measurement in a process of its own, with a heap of its own.
alone(F) ->
    {P, M} = spawn_monitor(F),
    receive {'DOWN', M, process, P, normal} -> ok;
            {'DOWN', M, process, P, Why} -> io:format(standard_error, "~p~n", [Why]), halt(1)
    end.

print_time(What, {Ns, CpuNs}, Count) ->
    io:format("{\"what\": \"~s\", \"ns\": ~.1f, \"cpu_ns\": ~.1f, \"count\": ~w}~n",
              [What, Ns / Count, CpuNs / Count, Count]).

print_bytes(What, Bytes, Count) ->
    io:format("{\"what\": \"~s\", \"bytes\": ~.1f, \"count\": ~w}~n", [What, Bytes / Count, Count]).

start() -> {erlang:monotonic_time(nanosecond), cpu_ns()}.
since({Ns, CpuNs}) -> {erlang:monotonic_time(nanosecond) - Ns, cpu_ns() - CpuNs}.
cpu_ns() -> {Ms, _} = erlang:statistics(runtime), Ms * 1000000.

resident_bytes() ->
    {ok, Text} = file:read_file("/proc/self/statm"),
    [_, Pages | _] = string:lexemes(Text, " "),
    binary_to_integer(Pages) * 4096.

%% One token round four processes.
hop(N) ->
    Me = self(),
    Ring = [spawn_link(fun() -> receive {next, P} -> pass(P, Me) end end) || _ <- lists:seq(1, 4)],
    [A, B, C, D] = Ring,
    [P ! {next, Q} || {P, Q} <- [{A, B}, {B, C}, {C, D}, {D, A}]],
    lap(A, N div 10),
    Start = start(),
    lap(A, N),
    print_time("hop", since(Start), N),
    unlink(A), unlink(B), unlink(C), unlink(D),
    [exit(P, kill) || P <- Ring].

lap(First, N) -> First ! N, receive done -> ok end.

pass(Next, Owner) ->
    receive
        0 -> Owner ! done, pass(Next, Owner);
        Left -> Next ! Left - 1, pass(Next, Owner)
    end.

%% Processes that end at once, 1000 in flight, each seen to end.
spawn_end(N) ->
    Start = start(),
    spawn_end(N, 0),
    print_time("spawn_end_observed", since(Start), N).

spawn_end(0, 0) -> ok;
spawn_end(N, Living) when N > 0, Living < 1000 ->
    spawn_monitor(fun() -> ok end),
    spawn_end(N - 1, Living + 1);
spawn_end(N, Living) -> receive {'DOWN', _, _, _, _} -> spawn_end(N, Living - 1) end.

%% Waiting processes under one that traps exits, as under a supervisor; all killed, each seen.
cancel(N) ->
    process_flag(trap_exit, true),
    Before = resident_bytes(),
    BeforeTotal = erlang:memory(total),
    Start = start(),
    Processes = [spawn_link(fun() -> receive stop -> ok end end) || _ <- lists:seq(1, N)],
    print_time("start_waiting_process", since(Start), N),
    print_bytes("bytes_waiting_process", resident_bytes() - Before, N),
    print_bytes("bytes_waiting_process_by_memory_total", erlang:memory(total) - BeforeTotal, N),
    Killed = start(),
    [exit(P, kill) || P <- Processes],
    [receive {'EXIT', P, _} -> ok end || P <- Processes],
    print_time("kill_all_linked", since(Killed), N).

%% One child of a supervisor that fails again and again, and stamps when, and when it runs again.
%% It waits in between, so that the supervisor's list of restarts stays small.
restart(N) ->
    logger:set_primary_config(level, none),
    process_flag(trap_exit, true),
    Worker = #{id => worker, start => {?MODULE, worker, [self()]}},
    {ok, Sup} = supervisor:start_link(
                  ?MODULE, {ok, {#{intensity => 100000, period => 1}, [Worker]}}),
    Took = lists:sort(restarts(N, none)),
    exit(Sup, shutdown),
    receive {'EXIT', Sup, _} -> ok end,
    [io:format("{\"what\": \"~s\", \"ns\": ~.1f, \"count\": ~w}~n",
               [What, float(lists:nth(At, Took)), N])
     || {What, At} <- [{"fail_to_running_p50", N div 2 + 1},
                       {"fail_to_running_p99", N * 99 div 100 + 1}]].

restarts(0, _) -> [];
restarts(N, Failed) ->
    receive
        {running, _} when Failed =:= none -> receive {failing, At} -> restarts(N, At) end;
        {running, At} when N =:= 1 -> [At - Failed];
        {running, At} -> receive {failing, Next} -> [At - Failed | restarts(N - 1, Next)] end
    end.

init(Spec) -> Spec.

worker(Owner) -> {ok, spawn_link(fun() -> work(Owner) end)}.
work(Owner) ->
    Owner ! {running, erlang:monotonic_time(nanosecond)},
    timer:sleep(5),
    Owner ! {failing, erlang:monotonic_time(nanosecond)},
    exit(crash).

%% As many children of one supervisor as are wanted: their start, their memory, an orderly stop.
children(N) ->
    process_flag(trap_exit, true),
    Specs = [#{id => I, start => {?MODULE, waiter, []}} || I <- lists:seq(1, N)],
    Before = resident_bytes(),
    Start = start(),
    {ok, Sup} = supervisor:start_link(?MODULE, {ok, {#{}, Specs}}),
    print_time("start_supervised", since(Start), N),
    print_bytes("bytes_supervised", resident_bytes() - Before, N),
    Stop = start(),
    exit(Sup, shutdown),
    receive {'EXIT', Sup, _} -> ok end,
    print_time("stop_supervised", since(Stop), N).

waiter() -> {ok, spawn_link(fun() -> receive stop -> ok end end)}.
