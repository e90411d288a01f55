using McpCan.Server.Hosting;
using Microsoft.AspNetCore.Identity;

namespace McpCan.Server.Access;

/// <summary>Signs people in and out. Unknown, wrong, locked and disabled get the same answer at the same cost.</summary>
public sealed class SignIn(SignInManager<User> signIn, UserManager<User> users, TimeProvider time)
{
    private static readonly User Nobody = new();
    private static readonly string NobodysHash = new PasswordHasher<User>().HashPassword(Nobody, Guid.NewGuid().ToString());

    /// <summary>Sets the session cookie when the password is right.</summary>
    public async Task<bool> TryAsync(string userName, string password)
    {
        if (userName.Length > 64 || password.Length > 256) return false;
        var user = await users.FindByNameAsync(userName);
        if (user is null)
        {
            users.PasswordHasher.VerifyHashedPassword(Nobody, NobodysHash, password);
            return false;
        }
        var result = await signIn.CheckPasswordSignInAsync(user, password, lockoutOnFailure: true);
        if (!result.Succeeded || user.Disabled) return false;
        await StartAsync(user);
        return true;
    }

    /// <summary>Sets the session cookie.</summary>
    public async Task StartAsync(User user)
    {
        user.LastLoginAt = time.GetUtcNow();
        await users.UpdateAsync(user);
        await signIn.SignInAsync(user, isPersistent: true);
    }

    /// <summary>Ends the session of this browser.</summary>
    public Task EndAsync() => signIn.SignOutAsync();
}
