using McpCan.Server.Packages;

namespace McpCan.UnitTests.Packages;

public sealed class ProjectDetectorTests
{
    private static (DetectedProject Project, string? Name) Detect(params (string Path, string Text)[] files) => ProjectDetector.Detect(new ArchiveContent(".zip",
        [.. files.Select(f => new ArchiveEntry(f.Path.TrimEnd('/'), f.Path.EndsWith('/') ? ArchiveEntryKind.Folder : ArchiveEntryKind.File, f.Text.Length))],
        files.ToDictionary(f => f.Path, f => f.Text)));

    private static void Expect(DetectedProject project, string runtime, string? start, string? install = null, string? build = null)
    {
        var notes = string.Join("\n", project.Notes);
        Assert.True(runtime == project.Runtime, notes);
        Assert.True(start == (project.Start is { } s ? string.Join(' ', s) : null), $"{string.Join(' ', project.Start ?? [])}\n{notes}");
        Assert.True(install == (project.Install is { } i ? string.Join(' ', i) : null), $"{string.Join(' ', project.Install ?? [])}\n{notes}");
        Assert.True(build == (project.Build is { } b ? string.Join(' ', b) : null), notes);
        Assert.NotEmpty(project.Notes);
    }

    public static TheoryData<string, string[], string?, string?, string?> Node => new()
    {
        { """{"name":"a","bin":"cli.js"}""", ["cli.js"], "node cli.js", null, null },
        { """{"bin":"./build/index.js","dependencies":{"x":"1"}}""", ["build/index.js", "package-lock.json"], "node build/index.js", "npm ci --no-audit --no-fund --omit=dev", null },
        { """{"name":"@s/two","bin":{"one":"1.js","two":"2.js"}}""", ["1.js", "2.js"], "node 2.js", null, null },
        { """{"bin":{"a":"a.js","a":"b.js"}}""", ["a.js", "b.js"], "node a.js", null, null },
        { """{"bin":7,"main":[],"scripts":"x","dependencies":[]}""", ["index.js"], "node index.js", null, null },
        { """{"scripts":{"start":"node src/run.js"}}""", ["src/run.js"], "node src/run.js", null, null },
        { """{"scripts":{"start":"node a.js && echo"}}""", ["a.js"], "npm run --silent start", null, null },
        { """{"scripts":{"start":"node --expose-gc a.js"},"main":"a.js"}""", ["a.js"], "npm run --silent start", null, null },
        { """{"main":"lib/main"}""", ["lib/main.js"], "node lib/main.js", null, null },
        { """{"main":"lib"}""", ["lib/index.js"], "node lib/index.js", null, null },
        { """{"main":"gone.js"}""", ["server.mjs"], "node server.mjs", null, null },
        { """{"main":"../../etc/passwd"}""", ["index.js"], "node index.js", null, null },
        { """{"bin":"--eval","scripts":{"build":"x"}}""", ["index.js"], "node index.js", null, null },
        { """{"name":"t"}""", ["dist/index.js"], "node dist/index.js", null, null },
        { """{"bin":"dist/i.js","scripts":{"build":"tsc"},"devDependencies":{"typescript":"5"}}""", ["src/i.ts", "package-lock.json"], "node dist/i.js", "npm ci --no-audit --no-fund", "npm run build" },
        { """{"bin":"dist/i.js","scripts":{"prepare":"tsc"},"dependencies":{"x":"1"}}""", ["src/i.ts"], "node dist/i.js", "npm install --no-audit --no-fund", null },
        { """{"bin":"dist/i.js","scripts":{"build":"tsc","prepare":"tsc"},"dependencies":{"x":"1"}}""", ["dist/i.js"], "node dist/i.js", "npm install --no-audit --no-fund --omit=dev --ignore-scripts", "npm rebuild" },
        { """{"bin":"i.js","scripts":{"prepare":"husky"},"dependencies":{"x":"1"}}""", ["i.js", "pnpm-lock.yaml"], "node i.js", "npx -y pnpm install --frozen-lockfile --ignore-scripts", "npx -y pnpm rebuild" },
        { """{"dependencies":{"x":"1"},"packageManager":"pnpm@9.1.0+sha512.aa"}""", ["index.js", "pnpm-lock.yaml"], "node index.js", "npx -y pnpm@9.1.0 install --frozen-lockfile", null },
        { """{"dependencies":{"x":"1"},"packageManager":"pnpm@9 && rm"}""", ["index.js", "pnpm-lock.yaml"], "node index.js", "npx -y pnpm install --frozen-lockfile", null },
        { """{"dependencies":{"x":"1"}}""", ["index.js", "yarn.lock"], "node index.js", "npx -y yarn@1 install --frozen-lockfile", null },
        { """{"dependencies":{"x":"1"}}""", ["index.js", "package-lock.json", "node_modules/x/index.js"], "node index.js", null, null },
        { """{"devDependencies":{"tsx":"1"}}""", ["src/index.ts"], "node --import tsx src/index.ts", "npm install --no-audit --no-fund", null },
        { "not json", ["index.js"], "node index.js", null, null },
        { "[]", [], null, null, null },
        { "{}", ["README.md"], null, null, null },
    };

    [Theory]
    [MemberData(nameof(Node))]
    public void NodeProject_ItsStartAndInstallAreFound(string package, string[] files, string? start, string? install, string? build)
    {
        var (project, _) = Detect([("package.json", package), .. files.Select(f => (f, ""))]);

        Expect(project, "node", start, install, build);
    }

    [Theory]
    [InlineData("""{"main":"./a.js","scripts":{"test":"echo \"none\""},"dependencies":{"x":"^1","y":"github:u/y"}}""", "package-lock.json", true)]
    [InlineData("""{"dependencies":{"x":"1"}}""", "", true)]
    [InlineData("""{"dependencies":{"x":"1"},"scripts":{"postinstall":"node patch.js"}}""", "package-lock.json", false)]
    [InlineData("""{"dependencies":{"x":"1"},"scripts":{"prepare":"tsc"}}""", "", false)]
    [InlineData("""{"dependencies":{"x":"file:vendor/x"}}""", "package-lock.json", false)]
    [InlineData("""{"dependencies":{"x":"f\u0069le:vendor/x"}}""", "package-lock.json", false)]
    [InlineData("""{"dependencies":{"x":"1"},"overrides":{"y":{"z":"./z"}}}""", "package-lock.json", false)]
    [InlineData("""{"dependencies":{"x":"1"},"workspaces":["a"]}""", "package-lock.json", false)]
    [InlineData("""{"dependencies":{"x":"1"}}""", "binding.gyp", false)]
    [InlineData("""{"dependencies":{"x":"1"}}""", ".npmrc", false)]
    [InlineData("""{"dependencies":{"x":"1"}}""", "pnpm-lock.yaml", false)]
    [InlineData("""{"bin":"dist/a.js","dependencies":{"x":"1"},"scripts":{"build":"tsc"}}""", "package-lock.json", false)]
    public void NodeProject_WhetherOnlyItsLockFilesDecideTheInstall_IsSaid(string package, string file, bool only) =>
        Assert.Equal(only, Detect([("package.json", package), ("a.js", ""), ("index.js", ""), .. file.Length > 0 ? new[] { (file, "") } : []]).Project.OnlyLockFiles);

    [Theory]
    [InlineData("mcp==1.2\n# no -e .\nhttpx[http2] >= 0.27 ; python_version < '4' # why\nx @ https://example.com/x.whl\n", true)]
    [InlineData("-e .\n", false)]
    [InlineData("-r more.txt\n", false)]
    [InlineData("./wheels/a.whl\n", false)]
    [InlineData("wheels/a.whl\n", false)]
    [InlineData("a.whl\n", false)]
    [InlineData("x @ file:///app/x\n", false)]
    [InlineData("x --config-settings=a\n", false)]
    [InlineData("x \\\n", false)]
    public void PythonProject_WhetherOnlyItsRequirementsDecideTheInstall_IsSaid(string requirements, bool only) =>
        Assert.Equal(only, Detect(("server.py", ""), ("requirements.txt", requirements)).Project.OnlyLockFiles);

    [Fact]
    public void PythonProject_ThatIsInstalledItself_NeedsAllOfIt() =>
        Assert.False(Detect(("server.py", ""), ("pyproject.toml", "[build-system]\nrequires = []\n[project]\nname = 'a'\ndependencies = ['mcp']\n")).Project.OnlyLockFiles);

    public static TheoryData<(string, string)[], string?, string?> Python => new()
    {
        { [("server.py", "print(1)")], "python3 server.py", null },
        { [("main.py", ""), ("server.py", "")], "python3 server.py", null },
        { [("app.py", ""), ("requirements.txt", "# none\n\n")], "python3 app.py", null },
        { [("app.py", ""), ("requirements.txt", "mcp>=1\n")], "python3 app.py", "pip install -r requirements.txt" },
        { [("tool.py", "")], "python3 tool.py", null },
        { [("tool.py", "import json"), ("other.py", "from mcp.server import FastMCP")], "python3 other.py", "pip install mcp" },
        { [("weather/__init__.py", ""), ("weather/__main__.py", "")], "python3 -m weather", null },
        { [("src/weather/__main__.py", ""), ("pyproject.toml", "[build-system]\nrequires=['hatchling']")], "python3 -m weather", "pip install ." },
        { [("__main__.py", "")], "python3 __main__.py", null },
        { [("src/server.py", ""), ("requirements.txt", "a")], "python3 src/server.py", "pip install -r requirements.txt" },
        { [("pyproject.toml", "[project]\nname='w'\n[project.scripts]\nz='w:a'\nw='w:main'"), ("uv.lock", "")], "w", "pip install ." },
        { [("pyproject.toml", "[tool.poetry.scripts]\nrun-it='w:main'"), ("poetry.lock", "")], "run-it", "pip install ." },
        { [("pyproject.toml", "[project]\nname='w'\ndependencies=['mcp>=1.2','--index-url=http://x','httpx']"), ("main.py", "")], "python3 main.py", "pip install mcp>=1.2 httpx" },
        { [("pyproject.toml", "[project]\ndependencies=['a']"), ("requirements.txt", "b"), ("main.py", "")], "python3 main.py", "pip install -r requirements.txt a" },
        { [("pyproject.toml", "[project.scripts]\n'--x'='w:main'\n'a b'='w:b'"), ("main.py", "")], "python3 main.py", null },
        { [("pyproject.toml", "= broken"), ("main.py", "")], "python3 main.py", null },
        { [("pyproject.toml", "project=1"), ("main.py", "")], "python3 main.py", null },
        { [("server.py", "# /// script\n# requires-python = '>=3.10'\n# dependencies = ['mcp', 'rich<14']\n# ///\nimport mcp\n")], "python3 server.py", "pip install mcp rich<14" },
        { [("server.py", "import mcp"), ("mcp/__init__.py", "")], "python3 server.py", null },
        { [("setup.py", "")], null, "pip install ." },
        { [("requirements.txt", "mcp"), ("a.py", ""), ("b.py", "")], null, "pip install -r requirements.txt" },
    };

    [Theory]
    [MemberData(nameof(Python))]
    public void PythonProject_ItsStartAndInstallAreFound((string, string)[] files, string? start, string? install)
    {
        var (project, _) = Detect(files);

        Expect(project, "python", start, install);
    }

    [Theory]
    [InlineData("a/")]
    [InlineData("a/b/")]
    public void TopFolder_BecomesTheRoot(string folder)
    {
        var (project, name) = Detect((folder + "package.json", """{"name":"x","main":"index.js"}"""), (folder + "index.js", ""), ("__MACOSX/._a", ""), (".DS_Store", ""));

        Expect(project, "node", "node index.js");
        Assert.Equal(folder.TrimEnd('/'), project.Root);
        Assert.Equal("x", name);
    }

    [Fact]
    public void OneProjectAmongFolders_IsTaken()
    {
        var (project, _) = Detect(("README.md", ""), ("docs/a.md", ""), ("server/main.py", ""));

        Expect(project, "python", "python3 main.py");
        Assert.Equal("server", project.Root);
    }

    [Fact]
    public void SeveralProjectsAmongFolders_NothingIsGuessed()
    {
        var (project, _) = Detect(("README.md", ""), ("one/main.py", ""), ("two/index.js", ""));

        Expect(project, "unknown", null);
        Assert.Contains(project.Notes, n => n.Contains("one, two", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("""{"devDependencies":{"prettier":"3"}}""", "python", "python3 server.py")]
    [InlineData("""{"bin":"index.js"}""", "node", "node index.js")]
    public void NodeAndPython_TheOneThatCanStartIsTakenAndSaid(string package, string runtime, string start)
    {
        (string, string)[] node = runtime == "node" ? [("index.js", "")] : [];
        var (project, _) = Detect([("package.json", package), ("requirements.txt", "# nothing"), ("server.py", ""), .. node]);

        Expect(project, runtime, start);
        Assert.Contains(project.Notes, n => n.Contains("Node and of a Python", StringComparison.Ordinal));
    }

    [Fact]
    public void PythonWithAWebPage_IsPython()
    {
        var (project, _) = Detect(("requirements.txt", "a"), ("server.py", ""), ("dist/index.js", ""));

        Expect(project, "python", "python3 server.py", "pip install -r requirements.txt");
    }

    [Theory]
    [InlineData("go.mod", "Go")]
    [InlineData("notes.txt", "Neither")]
    public void OtherCode_IsUnknownAndTheNoteSaysWhatToDo(string file, string word)
    {
        var (project, _) = Detect((file, ""));

        Expect(project, "unknown", null);
        Assert.Contains(word, project.Notes[^1], StringComparison.Ordinal);
    }

    public static TheoryData<string, string[], string, string?, string?, string?> Bundles => new()
    {
        { """{"type":"node","entry_point":"server/i.js","mcp_config":{"command":"node","args":["${__dirname}/server/i.js","--level=${user_config.level}"]}}""", ["server/i.js", "server/node_modules/x/index.js", "package.json"], "node", "node server/i.js --level=${user_config.level}", null, null },
        { """{"type":"node","entry_point":"server/i.js"}""", ["server/i.js"], "node", "node server/i.js", null, null },
        { """{"type":"node","entry_point":"dist/i.js","mcp_config":{"command":"node","args":["${__dirname}${/}dist${/}i.js"]}}""", ["dist/i.js", "package.json", "package-lock.json"], "node", "node dist/i.js", "npm ci --no-audit --no-fund --omit=dev", null },
        { """{"type":"python","entry_point":"s/main.py","mcp_config":{"command":"python","args":["${__dirname}/s/main.py"],"env":{"PYTHONPATH":"${__dirname}/lib"}}}""", ["s/main.py", "lib/x.py", "requirements.txt"], "python", "python3 s/main.py", null, null },
        { """{"type":"python","entry_point":"main.py","mcp_config":{"command":"uv","args":["run","--directory","${__dirname}","main.py"]}}""", ["main.py", "requirements.txt"], "python", "python3 main.py", "pip install -r requirements.txt", null },
        { """{"type":"uv","entry_point":"main.py"}""", ["main.py", "requirements.txt"], "python", "python3 main.py", "pip install -r requirements.txt", null },
        { """{"type":"binary","entry_point":"server/tool","mcp_config":{"command":"${__dirname}/server/tool","args":["stdio"]}}""", ["server/tool"], "executable", "./server/tool stdio", null, "chmod +x ./server/tool" },
        { """{"type":"binary","entry_point":"tool.exe","mcp_config":{"command":"tool.exe","args":[],"platform_overrides":{"linux":{"command":"tool","args":["-v"]}}}}""", ["tool", "tool.exe"], "executable", "./tool -v", null, "chmod +x ./tool" },
        { """{"type":7,"mcp_config":[]}""", [], "executable", null, null, null },
    };

    [Theory]
    [MemberData(nameof(Bundles))]
    public void Bundle_IsStartedAsItsManifestSays(string server, string[] files, string runtime, string? start, string? install, string? build)
    {
        var manifest = $$"""{"manifest_version":"0.2","name":"b","display_name":"The bundle","server":{{server}}}""";
        var (project, name) = Detect([("manifest.json", manifest), .. files.Select(f => (f, f switch { "package.json" => """{"dependencies":{"x":"1"}}""", "requirements.txt" => "mcp", _ => "" }))]);

        Expect(project, runtime, start, install, build);
        Assert.Equal("The bundle", name);
    }

    [Fact]
    public void Bundle_ItsUserConfigBecomesParameters()
    {
        var (project, _) = Detect(("manifest.json", """
            {"dxt_version":"0.1","name":"b","server":{"type":"node","entry_point":"i.js","mcp_config":{"command":"node","args":["${__dirname}/i.js","${user_config.dirs}","--max","${user_config.max}","${user_config.none}"],
              "env":{"API_KEY":"${user_config.key}","AUTH":"Bearer ${user_config.key}","MODE":"quiet","BASE":"${__dirname}/data","GONE":"${user_config.none}-x"}}},
             "user_config":{
              "key":{"type":"string","title":"Key","description":"From the account page","sensitive":true,"required":true},
              "dirs":{"type":"directory","multiple":true,"required":true,"default":["${HOME}/Desktop"]},
              "max":{"type":"number","default":5},
              "none":{"type":"string"}}}
            """), ("i.js", ""));

        Assert.Equal([("key", "API_KEY", "Key", true, true, null), ("dirs", "USER_CONFIG_DIRS", "dirs", true, false, null), ("max", "USER_CONFIG_MAX", "max", false, false, "5"), ("none", "USER_CONFIG_NONE", "none", false, false, (string?)null)],
            project.Parameters!.Select(p => (p.Key, p.Variable, p.Title, p.Required, p.Sensitive, p.Default)));

        var (start, env) = PackageParameter.Fill(project, project.Start!, new Dictionary<string, string> { ["API_KEY"] = "k", ["USER_CONFIG_DIRS"] = "/a b\n/c", ["MODE"] = "loud" });
        Assert.Equal(["node", "i.js", "/a b", "/c", "--max", "5"], start);
        Assert.Equal(("k", "Bearer k", "loud", "data", false), (env["API_KEY"], env["AUTH"], env["MODE"], env["BASE"], env.ContainsKey("GONE")));

        var missing = Assert.Throws<InvalidOperationException>(() => PackageParameter.Fill(project, project.Start!, new Dictionary<string, string> { ["USER_CONFIG_DIRS"] = "/a" }));
        Assert.Contains("API_KEY", missing.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("not json")]
    [InlineData("[]")]
    [InlineData("""{"manifest_version":3,"name":"an extension of a browser"}""")]
    [InlineData("""{"server":{"type":"node"}}""")]
    public void ManifestOfSomethingElse_IsNoBundle(string manifest)
    {
        var (project, _) = Detect(("manifest.json", manifest), ("index.js", ""));

        Expect(project, "node", "node index.js");
    }

    [Theory]
    [InlineData("./tool", "tool*", "README.md")]
    [InlineData("./server", "server*", "helper*")]
    [InlineData("./bin/tool", "bin/tool*", "share/x")]
    [InlineData(null, "one*", "two*")]
    [InlineData("./tool", "d/tool*", "d/README.md")]
    public void Program_IsStartedAsItIs(string? start, params string[] files)
    {
        var (project, _) = ProjectDetector.Detect(new ArchiveContent(".zip", [.. files.Select(f => new ArchiveEntry(f.TrimEnd('*'), ArchiveEntryKind.File, 1, f.EndsWith('*')))], new Dictionary<string, string>()));

        Expect(project, start is null ? "unknown" : "executable", start);
    }

    [Fact]
    public void LockFiles_AreThoseThatDecide()
    {
        var (project, _) = Detect(("package.json", """{"dependencies":{"x":"1"}}"""), ("index.js", ""), ("package-lock.json", ""), (".npmrc", ""));

        Assert.Equal(["package.json", "package-lock.json", ".npmrc"], project.LockFiles);
    }
}
