#!/usr/bin/env escript
%%! -noinput
%% What OTP's supervisor does: random supervisors, whose children end in random ways, one at a time.
%%
%%     escript oracle.escript SEED COUNT
%%
%% Prints a line for each supervisor and one for each end: who was started again, and who is up, or
%% that the supervisor exited.
-mode(compile).
-export([init/1, start_child/2]).

main([Seed, Count]) ->
    logger:set_primary_config(level, none),
    process_flag(trap_exit, true),
    rand:seed(exsss, list_to_integer(Seed)),
    [script(Number) || Number <- lists:seq(1, list_to_integer(Count))],
    ok.

init(Spec) -> Spec.

start_child(Id, Owner) ->
    Pid = spawn_link(fun() -> receive stop -> ok; {stop, Why} -> exit(Why) end end),
    Owner ! {started, Id},
    {ok, Pid}.

pick(List) -> lists:nth(rand:uniform(length(List)), List).

script(Number) ->
    Strategy = pick([one_for_one, one_for_all, rest_for_one]),
    Intensity = pick([0, 1, 2, 3]),
    Children = [#{id => Id, start => {?MODULE, start_child, [Id, self()]}, shutdown => 1000,
                  restart => pick([permanent, transient, temporary])}
                || Id <- lists:seq(1, 1 + rand:uniform(4))],
    Flags = #{strategy => Strategy, intensity => Intensity, period => 3600},
    {ok, Sup} = supervisor:start_link(?MODULE, {ok, {Flags, Children}}),
    io:format("script ~w strategy=~w intensity=~w children=~w~n",
              [Number, Strategy, Intensity, [{Id, R} || #{id := Id, restart := R} <- Children]]),
    started(),
    steps(Sup, 8),
    exit(Sup, shutdown),
    receive {'EXIT', Sup, _} -> ok after 0 -> receive {'EXIT', Sup, _} -> ok after 3000 -> ok end end,
    started().

steps(_, 0) -> ok;
steps(Sup, Left) ->
    case [{Id, Pid} || {Id, Pid, _, _} <- supervisor:which_children(Sup), is_pid(Pid)] of
        [] -> io:format("  no live children~n");
        Live -> step(Sup, pick(Live), pick([normal, crash, shutdown, {shutdown, x}, kill]), Left)
    end.

step(Sup, {Id, Pid}, How, Left) ->
    Monitor = monitor(process, Pid),
    case How of
        kill -> exit(Pid, kill);
        normal -> Pid ! stop;
        _ -> Pid ! {stop, How}
    end,
    receive {'DOWN', Monitor, process, Pid, _} -> ok end,
    Lives = try supervisor:count_children(Sup) of _ -> true catch exit:_ -> false end,
    case Lives of
        true ->
            State = [{Child, case is_pid(P) of true -> up; false -> P end}
                     || {Child, P, _, _} <- lists:reverse(supervisor:which_children(Sup))],
            io:format("  child ~w ends ~w -> restarted ~w state ~w~n", [Id, How, started(), State]),
            steps(Sup, Left - 1);
        false ->
            receive {'EXIT', Sup, Why} -> self() ! {'EXIT', Sup, Why} end,
            io:format("  child ~w ends ~w -> restarted ~w SUPERVISOR EXITS ~w~n",
                      [Id, How, started(), Why])
    end.

started() -> receive {started, Id} -> [Id | started()] after 0 -> [] end.
