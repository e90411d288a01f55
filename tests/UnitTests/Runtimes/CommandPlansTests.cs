using McpCan.Server.Runtimes;

namespace McpCan.UnitTests.Runtimes;

public sealed class CommandPlansTests
{
    [Theory]
    [InlineData("npx -y @scope/server@1.2 --flag x", "@scope/server@1.2", "{bin} --flag x")]
    [InlineData("npx server", "server", "{bin}")]
    [InlineData("npx --yes -p one --package=two program -y", "one two", "{deps}/node_modules/.bin/program -y")]
    [InlineData("npx -y -- server -v", "server", "{bin} -v")]
    [InlineData("npx -p one ../../evil", "one", "{deps}/node_modules/.bin/evil")]
    public void Npx_IsTakenApart(string command, string packages, string run)
    {
        var plan = CommandPlans.Plan(command.Split(' '));

        Assert.Equal("npx", plan.Install!.Kind);
        Assert.Equal($"npm install --prefix {{deps}} --no-audit --no-fund --no-update-notifier --loglevel=notice -- {packages}", string.Join(' ', Assert.Single(plan.Install.Commands)));
        Assert.Equal(run, string.Join(' ', plan.Command));
    }

    [Theory]
    [InlineData("uvx server arg", false, "python3 -m venv {deps}/venv|{deps}/venv/bin/python -m pip install --no-input -- server", "{deps}/venv/bin/server arg")]
    [InlineData("uvx server[extra]@1.2", false, "python3 -m venv {deps}/venv|{deps}/venv/bin/python -m pip install --no-input -- server[extra]==1.2", "{deps}/venv/bin/server")]
    [InlineData("uvx --from git+https://x/y@z tool", true, "uv venv {deps}/venv|uv pip install --python {deps}/venv/bin/python -- git+https://x/y@z", "{deps}/venv/bin/tool")]
    [InlineData("uvx --with=a,b server@latest", false, "python3 -m venv {deps}/venv|{deps}/venv/bin/python -m pip install --no-input -- server a b", "{deps}/venv/bin/server")]
    public void Uvx_IsTakenApart(string command, bool uv, string steps, string run)
    {
        var plan = CommandPlans.Plan(command.Split(' '), uv);

        Assert.Equal(steps, string.Join('|', plan.Install!.Commands.Select(c => string.Join(' ', c))));
        Assert.Equal(run, string.Join(' ', plan.Command));
    }

    [Theory]
    [InlineData("node server.js")]
    [InlineData("python3 -m server")]
    [InlineData("npx -c echo")]
    [InlineData("npx")]
    [InlineData("npx -y ./local")]
    [InlineData("uvx --from ./local tool")]
    [InlineData("uvx --strange x")]
    public void Others_StayAsTheyAre(string command)
    {
        var plan = CommandPlans.Plan(command.Split(' '));

        Assert.Null(plan.Install);
        Assert.Equal(command, string.Join(' ', plan.Command));
    }

    [Fact]
    public void Install_OfPip_GoesIntoAnEnvironment()
    {
        var step = CommandPlans.Install(["pip", "install", "-r", "requirements.txt"], "lock");

        Assert.Equal("pip", step.Kind);
        Assert.Equal(["python3", "-m", "venv", "{deps}/venv"], step.Commands[0]);
        Assert.Equal(["{deps}/venv/bin/python", "-m", "pip", "install", "-r", "requirements.txt"], step.Commands[1]);
    }

    [Fact]
    public void CacheKey_FollowsCommandAndLock()
    {
        Assert.Equal(CommandPlans.Install(["npm", "ci"], "a").CacheKey, CommandPlans.Install(["npm", "ci"], "a").CacheKey);
        Assert.NotEqual(CommandPlans.Install(["npm", "ci"], "a").CacheKey, CommandPlans.Install(["npm", "ci"], "b").CacheKey);
        Assert.NotEqual(CommandPlans.Install(["npm", "ci"], "a").CacheKey, CommandPlans.Install(["npm", "install"], "a").CacheKey);
    }

    [Theory]
    [InlineData("@a/server", "other", "other")]
    [InlineData("@a/server", "one server", "server")]
    [InlineData("server", "one two", null)]
    public void NpxProgram_IsChosenAsNpxDoes(string package, string programs, string? chosen) => Assert.Equal(chosen, CommandPlans.NpxProgram(package, programs.Split(' ')));
}
