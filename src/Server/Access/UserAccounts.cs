using McpCan.Server.Hosting;
using Microsoft.AspNetCore.Identity;
using Microsoft.EntityFrameworkCore;

namespace McpCan.Server.Access;

/// <summary>What a new account is to be.</summary>
/// <param name="UserName">Letters, digits and <c>-._@+</c>.</param>
/// <param name="Password">At least 10 characters.</param>
/// <param name="Role"><c>admin</c>, <c>operator</c> or <c>viewer</c>.</param>
public sealed record UserInput(string UserName, string Password, string Role);

/// <summary>What is to change about an account.</summary>
public sealed record UserPatch
{
    /// <summary><c>admin</c>, <c>operator</c> or <c>viewer</c>.</summary>
    public Patch<string> Role { get; init; }
    /// <summary>Whether the person may not sign in.</summary>
    public Patch<bool> Disabled { get; init; }
    /// <summary>A new password.</summary>
    public Patch<string> Password { get; init; }
}

/// <summary>Makes, lists, changes and deletes accounts. Every change of rights ends the account's sessions.</summary>
public sealed class UserAccounts(UserManager<User> users, McpCanDb db, TimeProvider time)
{
    private const int LongestPassword = 256;

    private static readonly Sorts<User> Sorts = new Sorts<User>(u => u.Id)
        .By("userName", u => u.UserName).By("createdAt", u => u.CreatedAt).By("role", u => u.Role).By("lastLoginAt", u => u.LastLoginAt);

    /// <summary>Whether anybody can sign in at all.</summary>
    public Task<bool> AnyAsync(CancellationToken cancellationToken) => db.Users.AnyAsync(cancellationToken);

    /// <summary>Makes an account.</summary>
    public async Task<User> CreateAsync(UserInput input, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        Check(input).Throw();
        var user = new User { UserName = input.UserName, Role = input.Role, CreatedAt = time.GetUtcNow(), LockoutEnabled = true };
        Require(await users.CreateAsync(user, input.Password));
        return user;
    }

    /// <summary>What is wrong with the input, before anything is stored; password rules included.</summary>
    public async Task CheckAsync(UserInput input)
    {
        Check(input).Throw();
        var user = new User { UserName = input.UserName };
        foreach (var validator in users.PasswordValidators) Require(await validator.ValidateAsync(users, user, input.Password));
        foreach (var validator in users.UserValidators) Require(await validator.ValidateAsync(users, user));
    }

    /// <summary>One page of accounts.</summary>
    public async Task<Page<TResult>> ListAsync<TResult>(PageQuery page, Func<User, TResult> map, CancellationToken cancellationToken)
    {
        var query = db.Users.Named(page.Search, u => u.UserName!);
        return await query.ToPageAsync(page, Sorts, map, cancellationToken);
    }

    /// <summary>One account by id or name.</summary>
    public async Task<User> GetAsync(string idOrName) =>
        await users.FindByIdAsync(idOrName) ?? await users.FindByNameAsync(idOrName) ?? throw ProblemException.NotFound("user", idOrName);

    /// <summary>Changes an account.</summary>
    public async Task<User> UpdateAsync(string idOrName, UserPatch patch, CancellationToken cancellationToken)
    {
        var user = await GetAsync(idOrName);
        var role = patch.Role.Or(user.Role);
        var disabled = patch.Disabled.Or(user.Disabled);
        new Checks().That(Roles.All.Contains(role), "role", $"Must be one of {string.Join(", ", Roles.All)}.")
            .That(!patch.Password.Given || patch.Password.Value is { Length: <= LongestPassword }, "password", $"Must have at most {LongestPassword} characters.")
            .Throw();
        if (role != Roles.Admin || disabled) await KeepAnAdminAsync(user, cancellationToken);
        (user.Role, user.Disabled) = (role!, disabled);
        if (patch.Password.Given) await SetPasswordAsync(user, patch.Password.Value!);
        Require(await users.UpdateSecurityStampAsync(user));
        return user;
    }

    /// <summary>Changes one's own password.</summary>
    public async Task ChangePasswordAsync(string id, string current, string next)
    {
        var user = await GetAsync(id);
        new Checks().That(next.Length <= LongestPassword, "next", $"Must have at most {LongestPassword} characters.").Throw();
        if (!await users.CheckPasswordAsync(user, current))
            throw new ProblemException(400, "wrong-password", "The current password is wrong.", new Dictionary<string, string[]> { ["current"] = ["Wrong."] });
        await SetPasswordAsync(user, next);
    }

    /// <summary>Deletes an account.</summary>
    public async Task DeleteAsync(string idOrName, CancellationToken cancellationToken)
    {
        var user = await GetAsync(idOrName);
        await KeepAnAdminAsync(user, cancellationToken);
        Require(await users.DeleteAsync(user));
    }

    private async Task SetPasswordAsync(User user, string password)
    {
        foreach (var validator in users.PasswordValidators) Require(await validator.ValidateAsync(users, user, password));
        user.PasswordHash = users.PasswordHasher.HashPassword(user, password);
        Require(await users.UpdateSecurityStampAsync(user));
    }

    private async Task KeepAnAdminAsync(User user, CancellationToken cancellationToken)
    {
        if (user.Role != Roles.Admin || user.Disabled) return;
        if (!await db.Users.AnyAsync(u => u.Id != user.Id && u.Role == Roles.Admin && !u.Disabled, cancellationToken))
            throw new ProblemException(409, "last-admin", "This is the only administrator who can sign in. Make another one first.");
    }

    private static Checks Check(UserInput input) => new Checks()
        .That(input.UserName is { Length: > 0 and <= 64 }, "userName", "Must have 1 to 64 characters.")
        .That(input.Password is { Length: <= LongestPassword }, "password", $"Must have at most {LongestPassword} characters.")
        .That(Roles.All.Contains(input.Role), "role", $"Must be one of {string.Join(", ", Roles.All)}.");

    private static void Require(IdentityResult result)
    {
        if (result.Succeeded) return;
        if (result.Errors.Any(e => e.Code == nameof(IdentityErrorDescriber.ConcurrencyFailure))) throw new DbUpdateConcurrencyException();
        var taken = result.Errors.Any(e => e.Code == nameof(IdentityErrorDescriber.DuplicateUserName));
        var errors = result.Errors.GroupBy(e => e.Code.StartsWith("Password", StringComparison.Ordinal) ? "password" : "userName")
            .ToDictionary(g => g.Key, g => g.Select(e => e.Description).ToArray());
        throw new ProblemException(taken ? 409 : 400, taken ? "user-name-taken" : "invalid", result.Errors.First().Description, errors);
    }
}
